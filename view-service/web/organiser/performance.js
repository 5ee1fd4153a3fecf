// A new performance: where, when by the venue's own clock, on which plan, at which
// prices, under which rules.

import { el, field, toast } from "../dom.js";
import { ask, freshKey } from "../api.js";
import { instant, minorDigits, many } from "../format.js";
import { fault } from "../words.js";
import { planSeats } from "../plans.js";
import { imported } from "./import.js";

const zones = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
const CURRENCIES = ["EUR", "GBP", "USD", "CHF", "CAD", "AUD", "INR", "JPY", "SEK", "NOK", "DKK", "PLN"];

/** The price in minor units that somebody typed, or null where it is none. */
export function minor(text, currency) {
  const digits = minorDigits(currency);
  const match = /^\s*(\d+)(?:[.,](\d+))?\s*$/.exec(text);
  if (!match || (match[2] || "").length > digits) return null;
  return Number(match[1]) * 10 ** digits + Number((match[2] || "").padEnd(digits, "0") || 0);
}

/** `known()`: the show as the public view has it, for plans used before; `made()` is called afterwards. */
export function newPerformance(showId, known, made) {
  let key = freshKey();
  const error = el("div", { class: "error", role: "alert" });
  const input = (name, props = {}) => el("input", { name, required: true, ...props });
  const list = (id, values) => el("datalist", { id }, values.map((value) => el("option", { value })));
  const prices = el("div", { class: "prices" }, el("p", { class: "soft" }, "Choose a plan first."));
  const plan = el("select", { name: "plan_id", required: true, onchange: () => tiers().catch((refusal) => { error.textContent = refusal.message; }) }, el("option", { value: "" }, "Choose a plan"));
  const offer = () => {
    const before = new Map(imported().map((one) => [one.plan_id, one.name]));
    for (const one of known().performances) if (!before.has(one.plan_id)) before.set(one.plan_id, `as at ${one.venue}`);
    const have = new Set([...plan.options].map((option) => option.value));
    for (const [id, name] of before) if (!have.has(id)) plan.append(el("option", { value: id }, name));
  };
  offer();
  plan.addEventListener("focus", offer);
  plan.addEventListener("pointerdown", offer);

  async function tiers() {
    if (!plan.value) return;
    const asked = plan.value;
    const seats = await planSeats(asked);
    if (asked !== plan.value) return;
    const sizes = seats.tiers.map(() => 0);
    for (const tier of seats.tier) sizes[tier]++;
    prices.replaceChildren(...seats.tiers.flatMap((name, index) => (sizes[index] ? [
      el("label", { for: `price-${index}` }, name, " ", el("small", {}, many(sizes[index], "seat"))),
      el("input", { id: `price-${index}`, name: `price:${name}`, required: true, inputMode: "decimal", placeholder: "45.00" })] : [])));
  }

  const zone = input("time_zone", { placeholder: "Europe/Berlin", autocomplete: "off" });
  zone.setAttribute("list", "zones");
  const currency = el("select", { name: "currency" }, CURRENCIES.map((code) => el("option", {}, code)));
  const form = el("form", { class: "stack", id: "new-performance", onsubmit: submit },
    el("div", { class: "two" }, field("City", input("location", { maxLength: 120 })), field("Venue", input("venue", { maxLength: 200 }))),
    field("Begins", input("starts", { type: "datetime-local" }), "by the clock of the venue"),
    field("Time zone", zone), list("zones", zones),
    el("div", { class: "two" }, field("Plan", plan), field("Currency", currency)), prices,
    el("details", {}, el("summary", {}, "Rules"), el("div", { class: "stack" },
      field("On sale from", el("input", { name: "on_sale", type: "datetime-local" }), "by the clock of the venue; empty: at once"),
      el("div", { class: "two" }, field("Hold, seconds", el("input", { name: "hold_ttl_s", type: "number", min: 3, placeholder: 600 })), field("At most, seconds", el("input", { name: "hold_max_s", type: "number", min: 3, placeholder: 1800 }))),
      field("Seats a customer", el("input", { name: "max_seats_per_customer", type: "number", min: 1, placeholder: 10 })),
      el("label", { class: "check" }, el("input", { type: "checkbox", name: "orphans" }), "Refuse choices that leave a lone seat"))),
    error, el("button", { type: "submit", class: "primary" }, "Add the performance"));

  async function submit(event) {
    event.preventDefault();
    error.replaceChildren();
    const given = Object.fromEntries(new FormData(form));
    try {
      const body = { location: given.location, venue: given.venue, time_zone: given.time_zone, starts_at: instant(given.starts, given.time_zone), plan_id: given.plan_id, prices: {} };
      for (const [name, text] of Object.entries(given)) {
        if (!name.startsWith("price:")) continue;
        const price = minor(text, given.currency);
        if (price === null) throw new Error(`The price of ${name.slice(6)} must be a number such as 45.00`);
        body.prices[name.slice(6)] = { price, currency: given.currency };
      }
      if (given.on_sale) body.on_sale_at = instant(given.on_sale, given.time_zone);
      for (const name of ["hold_ttl_s", "hold_max_s", "max_seats_per_customer"]) if (given[name]) body[name] = Number(given[name]);
      if (given.orphans) body.orphan_rule = "refuse";
      await ask("POST", `/v1/admin/shows/${encodeURIComponent(showId)}/performances`, { body, key });
      key = freshKey();
      form.reset();
      toast("The performance can be booked now.");
      made();
    } catch (refusal) {
      // Something else will be asked for next.
      key = freshKey();
      const faults = refusal.problem?.errors;
      error.replaceChildren(...(faults?.length ? faults.map((one) => el("p", {}, fault(one))) : [el("p", {}, refusal instanceof RangeError ? "There is no such time zone." : refusal.message)]));
    }
  }
  return el("section", { class: "card" }, el("h2", {}, "A new performance"), form);
}
