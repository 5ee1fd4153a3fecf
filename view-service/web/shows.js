// What is on: shows by title, city and date, and all performances of one show.

import { el, button, field, page, waiting, toast, announce } from "./dom.js";
import { look } from "./api.js";
import { leaf, hour, evening, zoneNote, money, many, count } from "./format.js";
import { poster } from "./poster.js";

const IN_CARD = 3;
const cities = new Set();

/** The list, filtered by what stands behind `?` in the address. */
export async function shows(query) {
  const wanted = new URLSearchParams(query);
  const input = (name, type, more = {}) => el("input", { name, type, value: wanted.get(name) || "", autocomplete: "off", ...more });
  const known = el("datalist", { id: "cities" });
  const form = el("form", { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); find(); } },
    field("Title", input("q", "search", { placeholder: "Part of a title" })),
    field("City", el("input", { name: "loc", type: "search", value: wanted.get("loc") || "", placeholder: "Anywhere", autocomplete: "off" })),
    field("Date", input("date", "date")), known,
    el("button", { type: "submit", class: "primary" }, "Find"),
    [...wanted.keys()].length > 0 && el("a", { href: "#/", class: "button quiet" }, "Show all"));
  // The property of that name only reads.
  form.querySelector("[name=loc]").setAttribute("list", "cities");
  const find = () => {
    const filled = [...new FormData(form)].filter(([, value]) => value.trim());
    location.hash = filled.length ? `#/?${new URLSearchParams(filled)}` : "#/";
  };
  form.querySelector("[name=date]").addEventListener("change", find);

  const grid = el("div", { class: "grid", "aria-busy": "true" }, waiting());
  const more = button("More shows", () => load().catch((error) => toast(error.message, "bad")), { hidden: true, class: "wide" });
  page("", el("h1", {}, "What is on"), form, grid, more);
  let cursor = null;
  const load = async () => {
    const asked = new URLSearchParams(wanted);
    asked.set("limit", "12");
    if (cursor) asked.set("cursor", cursor);
    const found = await look(`/v1/shows?${asked}`, { anonymous: true });
    if (!cursor) grid.replaceChildren();
    grid.setAttribute("aria-busy", "false");
    grid.append(...found.shows.map(card));
    for (const show of found.shows) for (const one of show.performances) cities.add(one.location);
    known.replaceChildren(...[...cities].sort().map((city) => el("option", { value: city })));
    cursor = found.next_cursor;
    more.hidden = !cursor;
    if (!grid.children.length) grid.append(el("p", { class: "empty" }, "Nothing is on there. Another day, or another city?"));
    else announce(`${many(grid.children.length, "show")}${cursor ? ", and there are more" : ""}`);
  };
  await load();
}

function card(show) {
  const { show_id: id, name, performances } = show;
  return el("article", { class: "card show" },
    el("a", { href: `#/show/${id}`, class: "picture", tabIndex: -1, "aria-hidden": "true" }, poster(id)),
    el("div", { class: "body" },
      el("h2", {}, el("a", { href: `#/show/${id}` }, name)),
      performances.length ? el("ul", { class: "evenings" }, performances.slice(0, IN_CARD).map((one) => el("li", {}, row(id, one)))) : el("p", { class: "soft" }, "No dates yet."),
      performances.length > IN_CARD && el("a", { class: "all", href: `#/show/${id}` }, `All ${many(performances.length, "performance")}`)));
}

function row(showId, performance) {
  const { tiers } = performance;
  const left = tiers.reduce((sum, tier) => sum + tier.seats_available, 0);
  const total = tiers.reduce((sum, tier) => sum + tier.seats_total, 0);
  const cheapest = tiers.filter((tier) => tier.seats_available).sort((a, b) => a.price - b.price)[0];
  const later = performance.on_sale_at && new Date(performance.on_sale_at) > new Date();
  const { weekday, day, month } = leaf(performance);
  const scarce = left > 0 && left < total * 0.1;
  return el("a", { class: "evening", href: `#/show/${showId}/${performance.performance_id}` },
    el("time", { class: "leaf", dateTime: performance.starts_at, title: evening(performance) }, el("small", {}, weekday), el("b", {}, day), el("small", {}, month)),
    el("span", { class: "where" }, el("b", {}, `${hour(performance)} · ${performance.location}`), el("small", {}, performance.venue)),
    el("span", { class: `left ${scarce ? "scarce" : ""}` }, later ? el("b", {}, "soon") : cheapest ? el("b", {}, `from ${money(cheapest.price, cheapest.currency)}`) : el("b", {}, "Sold out"),
      el("small", {}, later ? "not on sale yet" : cheapest && `${count(left)} left`)));
}

/** One show with all its performances, by city where there are several. */
export async function oneShow(showId) {
  page("", waiting());
  const show = await look(`/v1/show/${encodeURIComponent(showId)}`, { anonymous: true });
  const byCity = group(show.performances);
  page(show.name,
    el("nav", { class: "crumbs", "aria-label": "Where you are" }, el("a", { href: "#/" }, "Shows"), el("span", { "aria-current": "page" }, show.name)),
    el("header", { class: "hero" }, poster(showId), el("h1", {}, show.name)),
    show.performances.length ? [...byCity].map(([city, performances]) => el("section", { class: "card city" },
      el("h2", {}, city, " ", el("small", { class: "soft" }, zoneNote(performances[0]))), el("ul", { class: "evenings" }, performances.map((one) => el("li", {}, row(showId, one)))))) :
      el("p", { class: "empty" }, "There are no dates for this show yet."));
}

function group(performances) {
  const groups = new Map();
  for (const one of performances) groups.set(one.location, [...(groups.get(one.location) || []), one]);
  return groups;
}
