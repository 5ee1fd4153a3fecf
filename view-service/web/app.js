// Where we are: the address behind `#` says which page is shown. Everything shown
// can be had again by asking, so a reload loses nothing but a choice.

import { $, el, button, page, toast, hush } from "./dom.js";
import { token, forget, logIn, onChange, organises } from "./account.js";
import { clock } from "./format.js";
import { now } from "./api.js";
import { running, onRunning } from "./booking/wish.js";
import { shows, oneShow } from "./shows.js";
import { evening } from "./evening.js";
import { mine } from "./mine.js";

let leave = () => {};
let visit = 0;

async function route() {
  const here = ++visit;
  leave();
  leave = () => {};
  const [path, query = ""] = location.hash.slice(1).split("?");
  const [, place, ...ids] = path.split("/").map(decodeURIComponent);
  mark(place);
  try {
    const left = await open(place, ids, query);
    // Somebody who went on meanwhile is somewhere else now.
    if (here !== visit) left?.();
    else leave = left || leave;
  } catch (error) {
    if (here !== visit) return;
    console.error(error);
    page("Sorry", el("h1", {}, "That did not work"), el("div", { class: "card empty" }, el("p", {}, error.message), button("Try again", route, { class: "primary" })));
  }
}

async function open(place, ids, query) {
  if (place === "show" && ids[1]) return evening(ids[0], ids[1]);
  if (place === "show" && ids[0]) return oneShow(ids[0]);
  if (place === "mine") return mine();
  // Most people never organise anything: the part is fetched by those who do.
  if (place === "organise") return (await import("./organiser/desk.js")).desk(ids);
  return shows(query);
}

function mark(place = "") {
  for (const link of document.querySelectorAll("header nav a")) {
    const on = link.dataset.place === (["mine", "organise"].includes(place) ? place : "");
    if (on) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
}

function who() {
  $("#who").textContent = token() ? "Log out" : "Log in";
  $("#organise").hidden = !organises();
}

// A hold goes on while one looks elsewhere; the clock goes with one.
function held() {
  const hold = running();
  const link = $("#held");
  link.hidden = !hold;
  if (!hold) return;
  link.href = `#/show/${hold.show_id}/${hold.performance_id}`;
  link.textContent = `Held ${clock(Math.max(0, Math.floor((new Date(hold.expires_at) - now()) / 1000)))}`;
}

$("#who").addEventListener("click", async () => {
  if (token()) { forget(); toast("You are logged out."); } else await logIn();
});
onChange(() => { who(); if (/^#\/(mine|organise)/.test(location.hash)) route(); });
onRunning(held);
setInterval(held, 1000);

// The address behind `#` is taken: the skip link moves the focus by hand.
$(".skip").addEventListener("click", (event) => { event.preventDefault(); $("#main").focus(); });
window.addEventListener("hashchange", () => {
  hush();
  route();
  window.scrollTo(0, 0);
  $("#main").focus({ preventScroll: true });
});
who();
held();
route();
