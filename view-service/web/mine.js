// My bookings, newest first, with their tickets.

import { el, button, page, waiting, toast } from "./dom.js";
import { look } from "./api.js";
import { token, needLogin } from "./account.js";
import { evening, money, many } from "./format.js";
import { running } from "./booking/wish.js";
import { tickets } from "./tickets.js";
import { planSeats } from "./plans.js";

const SAID = { confirmed: "", cancelled: "cancelled", held: "held", pending: "being confirmed" };

export async function mine() {
  if (!token()) {
    page("My bookings", el("h1", {}, "My bookings"), el("div", { class: "card empty" }, el("p", {}, "Your bookings are shown once you have logged in."),
      button("Log in", needLogin, { class: "primary" })));
    return;
  }
  const held = running();
  const place = el("div", { class: "bookings" }, waiting());
  const more = button("Older bookings", () => load().catch((error) => toast(error.message, "bad")), { hidden: true, class: "wide" });
  page("My bookings", el("h1", {}, "My bookings"),
    held && el("p", { class: "notice" }, "You are holding seats right now. ", el("a", { href: `#/show/${held.show_id}/${held.performance_id}` }, "Go on and pay")), place, more);
  const shows = new Map();
  let cursor = null;
  const load = async () => {
    const found = await look(`/v1/bookings?limit=10${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    if (!cursor) place.replaceChildren();
    for (const booking of found.bookings) place.append(one(booking, shows));
    cursor = found.next_cursor;
    more.hidden = !cursor;
    if (!place.children.length) place.append(el("div", { class: "card empty" }, el("p", {}, "No bookings yet."), el("a", { class: "button primary", href: "#/" }, "See what is on")));
  };
  await load();
}

function one(booking, shows) {
  const details = el("details", { class: "card booking" });
  const summary = el("summary", {});
  const body = el("div", {}, waiting());
  details.append(summary, body);
  let about = { show: null, performance: null, seats: null };
  const write = () => {
    const { show, performance } = about;
    const left = booking.seats.length;
    summary.replaceChildren(el("span", {}, el("b", {}, show?.name || booking.show_id), el("small", {}, performance ? `${evening(performance)} · ${performance.venue}, ${performance.location}` : "")),
      el("span", { class: `left ${booking.state}` }, el("b", {}, SAID[booking.state] || money(booking.amount, booking.currency)), el("small", {}, many(left || booking.tickets?.length || 0, "ticket"))));
  };
  write();
  // What it was for is told by the public views; a booking is shown without them, too.
  const known = knowShow(booking.show_id, shows).then((show) => {
    about = { ...about, show, performance: show?.performances.find((one) => one.performance_id === booking.performance_id) || null };
    write();
  });
  const fill = () => body.replaceChildren(tickets({ booking, ...about, changed: (now) => { booking = now; write(); fill(); } }));
  details.addEventListener("toggle", async () => {
    if (!details.open || body.dataset.filled) return;
    body.dataset.filled = "yes";
    await known;
    if (about.performance) about.seats = await planSeats(about.performance.plan_id).catch(() => null);
    fill();
  });
  return details;
}

function knowShow(id, shows) {
  if (!shows.has(id)) shows.set(id, look(`/v1/show/${encodeURIComponent(id)}`, { anonymous: true, patience: 3000 }).catch(() => null));
  return shows.get(id);
}
