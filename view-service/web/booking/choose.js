// The panel before a hold: the best available seats, or those chosen on the map.

import { el, button, field } from "../dom.js";
import { money, many } from "../format.js";
import { FREE } from "../map/seats.js";

export const MOST_SEATS = 10;

/** A number with a minus and a plus. */
function stepper(name, label, value, least, most) {
  const input = el("input", { type: "number", name, value, min: least, max: most, inputMode: "numeric", "aria-label": label });
  const step = (by) => { input.value = Math.min(most, Math.max(least, Number(input.value) + by)); };
  return el("span", { class: "stepper" }, button("−", () => step(-1), { "aria-label": `${label}: one less` }), input, button("+", () => step(1), { "aria-label": `${label}: one more` }));
}

/** `hold(body)` is called with what the API wants. Gives the element and `update()`. */
export function choosing({ performance, seats, map, hold }) {
  const tier = el("select", { name: "tier" }, performance.tiers.map((one) => el("option", { value: one.tier }, `${one.tier} · ${money(one.price, one.currency)}`)));
  const quantity = stepper("quantity", "Seats", 2, 1, MOST_SEATS);
  const accessible = seats.hasAccessible && stepper("accessible", "Wheelchair places among them", 0, 0, MOST_SEATS);
  const split = el("input", { type: "checkbox", name: "split" });
  const number = (from) => Math.round(Number(from.querySelector("input").value));
  const best = el("form", { class: "best stack", onsubmit: (event) => {
    event.preventDefault();
    const body = { performance_id: performance.performance_id, tier: tier.value, quantity: number(quantity) };
    if (accessible && number(accessible)) body.accessible_seats = number(accessible);
    if (split.checked) body.accept_split = true;
    hold(body);
  } },
  el("h2", {}, "Best available"), field("Category", tier),
  el("div", { class: "pair" }, field("Seats", quantity), accessible && field("Wheelchair places", accessible)),
  el("label", { class: "check" }, split, "They may be apart from each other"),
  el("button", { type: "submit", class: "primary wide", id: "hold-best" }, "Hold the best seats"));

  const choice = el("section", { class: "choice stack", "aria-label": "Your choice" });
  const price = new Map(performance.tiers.map((one) => [one.tier, one]));
  function update() {
    const picked = [...map.chosen];
    const sum = picked.reduce((total, i) => total + (price.get(seats.tiers[seats.tier[i]])?.price || 0), 0);
    const currency = performance.tiers[0]?.currency;
    choice.replaceChildren(...(picked.length ? [
      el("h2", {}, "Your choice"),
      el("ul", { class: "picked" }, picked.map((i) => {
        const one = price.get(seats.tiers[seats.tier[i]]);
        return el("li", {}, el("span", {}, el("b", {}, seats.label(i)), el("small", {}, [seats.tiers[seats.tier[i]], ...seats.special(i)].join(", "))),
          el("span", {}, one && money(one.price, one.currency)), button("×", () => map.pick(i), { class: "quiet", "aria-label": `Not ${seats.label(i)}` }));
      })),
      el("div", { class: "sum" }, el("span", {}, many(picked.length, "seat")), el("span", {}, money(sum, currency))),
      button(`Hold ${many(picked.length, "seat")}`, () => hold({ performance_id: performance.performance_id, seats: picked.map((i) => seats.guid[i]) }), { class: "primary wide", id: "hold-chosen" }),
    ] : [el("p", { class: "soft" }, "… or choose your seats on the map, up to ten.")]));
    best.classList.toggle("aside", picked.length > 0);
    return { picked: picked.length, sum, currency };
  }
  return { element: el("div", { class: "stack" }, choice, best), update };
}

/** Why a seat cannot be chosen now, or nothing. */
export function hindrance(seats, map, i) {
  if (map.mine.has(i)) return "This seat is yours already.";
  if (seats.state[i] !== FREE) return `${seats.label(i)} is ${seats.state[i] === 1 ? "held by somebody right now" : "sold"}.`;
  if (map.chosen.size >= MOST_SEATS) return "Ten seats is the most one booking can have.";
  return "";
}
