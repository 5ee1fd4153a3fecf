// The organiser's desk: which shows there are, making one, importing plans. The
// API decides who may; this page only asks for the token that says so.

import { el, button, field, page, waiting, toast } from "../dom.js";
import { ask, look, freshKey } from "../api.js";
import { organises, token, use } from "../account.js";
import { many } from "../format.js";
import { importing } from "./import.js";
import { showDesk } from "./show.js";
import { showAnalytics } from "./analytics.js";

/** `ids`: the show and one of its performances, or the show, or nothing. Gives what ends the page. */
export async function desk(ids) {
  if (!organises()) return askForToken();
  if (ids[1]) return showAnalytics(ids[0], ids[1]);
  if (ids[0]) return showDesk(ids[0]);
  const list = el("ul", { class: "listing" }, el("li", {}, waiting()));
  const more = button("More shows", () => load().catch((error) => toast(error.message, "bad")), { hidden: true, class: "wide" });
  const plans = importing();
  page("Organise", el("h1", {}, "Organise"), el("div", { class: "desk" },
    el("div", {}, el("section", { class: "card" }, el("h2", {}, "Shows"), list, more), plans.element),
    el("div", {}, newShow())));
  let cursor = null;
  const load = async () => {
    const found = await look(`/v1/shows?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, { anonymous: true });
    if (!cursor) list.replaceChildren();
    list.append(...found.shows.map((show) => el("li", {}, el("a", { href: `#/organise/${show.show_id}` },
      el("b", {}, show.name), el("span", { class: "soft" }, many(show.performances.length, "performance"))))));
    cursor = found.next_cursor;
    more.hidden = !cursor;
    if (!list.children.length) list.append(el("li", { class: "soft" }, "No shows yet."));
  };
  await load();
  return () => plans.end();
}

function newShow() {
  let key = freshKey();
  const error = el("p", { class: "error", role: "alert" });
  const form = el("form", { class: "stack", id: "new-show", onsubmit: async (event) => {
    event.preventDefault();
    const { name, show_id: id } = Object.fromEntries(new FormData(form));
    error.textContent = "";
    try {
      const { data } = await ask("POST", "/v1/admin/shows", { body: { name, ...(id && { show_id: id }) }, key });
      location.hash = `#/organise/${data.show_id}`;
    } catch (refusal) {
      key = freshKey();
      error.textContent = refusal.message;
    }
  } },
  field("Title", el("input", { name: "name", required: true, maxLength: 200 })),
  field("Short name", el("input", { name: "show_id", pattern: "[a-z0-9_\\-]{1,64}" }), "in addresses: a–z, 0–9, - and _; made up if left empty"),
  error, el("button", { type: "submit", class: "primary" }, "Make the show"));
  return el("section", { class: "card" }, el("h2", {}, "A new show"), form);
}

function askForToken() {
  const input = el("textarea", { name: "token", rows: 4, required: true, autocomplete: "off", spellcheck: false });
  const error = el("p", { class: "error", role: "alert" });
  const form = el("form", { class: "stack", id: "organiser-token", onsubmit: (event) => {
    event.preventDefault();
    if (!use(input.value)) error.textContent = "That is not a token.";
    else if (!organises()) error.textContent = "That token's role may not organise.";
  } },
  field("Token", input), error, el("button", { type: "submit", class: "primary" }, "Go on"));
  page("Organise", el("h1", {}, "Organise"), el("section", { class: "card desk-card" },
    el("p", {}, token() ? "Your account is a customer's. " : "", "To organise one needs a token whose role is organiser. In a local cluster this command prints one:"),
    el("p", {}, el("code", {}, "./seatlock token --user me --role organiser")), form));
}
