// The panel of a hold: its countdown, more time, giving it back, and paying with
// one of the sandbox's cards.

import { el, button, announce } from "../dom.js";
import { clock, money, many } from "../format.js";
import { now } from "../api.js";

// What the sandbox gateway does with each.
const CARDS = [
  ["tok_ok", "4242", "Pays"], ["tok_declined", "0002", "Is declined"],
  ["tok_slow", "3155", "Pays after three seconds"], ["tok_unknown", "0119", "The bank does not answer"],
  ["tok_lost", "6975", "Pays, and the answer is lost"], ["tok_twice", "8431", "Pays, and is told so twice"],
];

// Said aloud once each, for those who do not see the clock.
const WARN_AT_S = [120, 30];

/** Seconds that are left of a hold. */
export const secondsLeft = (booking) => Math.max(0, Math.floor((new Date(booking.expires_at) - now()) / 1000));

/** `on.pay(token)`, `on.extend()`, `on.giveBack()`, `on.over()`. Gives the element, and `end()`. */
export function holding({ booking, seats, on }) {
  const time = el("div", { class: "clock", role: "timer", "aria-label": "Time left" });
  const whole = Math.max(60, secondsLeft(booking));
  const bar = el("progress", { max: whole, value: whole, "aria-hidden": "true" });
  let warned = WARN_AT_S.filter((at) => secondsLeft(booking) <= at).length;
  const tick = () => {
    const left = secondsLeft(booking);
    time.textContent = clock(left);
    bar.value = left;
    time.classList.toggle("late", left < 60);
    if (left <= WARN_AT_S[warned]) { announce(`${many(WARN_AT_S[warned], "second")} left to pay for your seats.`); warned++; }
    if (!left) { clearInterval(timer); on.over(); }
  };
  const timer = setInterval(tick, 250);

  const cards = el("fieldset", { class: "cards" }, el("legend", {}, "Pay with a test card"), CARDS.map(([token, digits, does], n) =>
    el("label", { class: "bankcard" }, el("input", { type: "radio", name: "card", value: token, checked: n === 0 }),
      el("span", { class: "digits" }, `•••• ${digits}`), el("span", { class: "does" }, does))));
  const pay = el("form", { class: "stack", onsubmit: (event) => { event.preventDefault(); on.pay(new FormData(pay).get("card")); } },
    cards, el("button", { type: "submit", class: "primary wide", id: "pay" }, `Pay ${money(booking.amount, booking.currency)}`),
    el("p", { class: "hint" }, "A sandbox: no money moves."));
  const element = el("div", { class: "stack" },
    el("h2", { tabIndex: -1 }, "Held for you"), el("div", { class: "countdown" }, time, bar),
    itemList(booking, seats),
    !booking.next_to_each_other && booking.items.length > 1 && el("p", { class: "notice" }, "These seats are not all next to each other."),
    pay,
    el("div", { class: "row" }, button("More time", on.extend, { class: "quiet", id: "extend" }), button("Give back", on.giveBack, { class: "quiet", id: "give-back" })));
  tick();
  return { element, end: () => clearInterval(timer) };
}

/** The seats of a booking with their prices, and the sum. */
export function itemList(booking, seats) {
  return el("div", {}, el("ul", { class: "picked" }, booking.items.map((item) =>
    el("li", {}, el("span", {}, el("b", {}, seats.nameOf(item.seat)), el("small", {}, item.tier)), el("span", {}, money(item.price, booking.currency))))),
  el("div", { class: "sum" }, el("span", {}, many(booking.items.length, "seat")), el("span", {}, money(booking.amount, booking.currency))));
}
