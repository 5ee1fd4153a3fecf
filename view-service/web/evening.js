// The page of one performance: its seat map, live, and beside it the way from
// choosing to tickets.

import { el, page, waiting } from "./dom.js";
import { look } from "./api.js";
import { evening as words, zoneNote, age, many } from "./format.js";
import { planSeats } from "./plans.js";
import { FREE, HELD } from "./map/seats.js";
import { SeatMap } from "./map/map.js";
import { legend, tools } from "./map/legend.js";
import { money } from "./format.js";
import { Live } from "./live.js";
import { Sale } from "./booking/sale.js";

/** Shows it; gives what ends it. */
export async function evening(showId, performanceId) {
  page("", waiting("Fetching the seats …"));
  const show = await look(`/v1/show/${encodeURIComponent(showId)}`, { anonymous: true });
  const performance = show.performances.find((one) => one.performance_id === performanceId);
  if (!performance) {
    page(show.name, el("h1", {}, show.name), el("div", { class: "card empty" }, el("p", {}, "This performance does not take place (any more)."), el("a", { href: `#/show/${showId}` }, "See the others")));
    return () => {};
  }
  const seats = await planSeats(performance.plan_id);
  const prices = new Map(performance.tiers.map((tier) => [tier.tier, money(tier.price, tier.currency)]));
  let sale;
  const state = (i, map) => {
    if (map.mine.has(i)) return "yours";
    if (map.chosen.has(i)) return "chosen";
    return seats.state[i] === FREE ? "free" : seats.state[i] === HELD ? "held by somebody" : "sold";
  };
  const tier = (i) => seats.tiers[seats.tier[i]];
  const say = (i, map) => [seats.label(i), !seats.label(i).startsWith(`${tier(i)},`) && tier(i), prices.get(tier(i)), ...seats.special(i), state(i, map)].filter(Boolean).join(", ");
  const map = new SeatMap(seats, { say, pick: (i) => sale.pick(i) });
  const below = legend(map, performance.tiers);
  const live = el("div", { class: "live", role: "status" }, "connecting …");
  const panel = el("section", { class: "card panel", "aria-label": "Your seats" });
  const dock = el("div", { class: "dock" });
  const free = el("span", { class: "soft" });

  page(show.name,
    el("nav", { class: "crumbs", "aria-label": "Where you are" }, el("a", { href: "#/" }, "Shows"), el("a", { href: `#/show/${showId}` }, show.name), el("span", { "aria-current": "page" }, performance.location)),
    el("header", { class: "title" }, el("h1", {}, show.name),
      el("p", {}, el("b", {}, words(performance)), " ", el("span", { class: "soft" }, zoneNote(performance)), el("br"), `${performance.venue}, ${performance.location} `, free)),
    el("div", { class: "hall" },
      el("section", { class: "card map", "aria-label": "Seat map" }, el("div", { class: "over" }, live, tools(map)), map.element, below.element),
      panel),
    dock);

  // Where the panel is in sight, the dock would only repeat it.
  const inSight = new IntersectionObserver(([entry]) => { dock.hidden = entry.isIntersecting; }, { rootMargin: "0px 0px -45% 0px" });
  inSight.observe(panel);
  sale = new Sale({ show, performance, seats, map, panel, dock });
  const counted = () => {
    const byTier = seats.freeByTier();
    below.update(byTier);
    free.textContent = `· ${many(byTier.reduce((sum, left) => sum + left, 0), "seat")} left`;
  };
  const took = (changed) => {
    if (!changed.length) return;
    counted();
    map.changed(changed);
    sale.seatsChanged();
  };
  counted();
  const feed = new Live(`/v1/show/${encodeURIComponent(showId)}/performances/${encodeURIComponent(performanceId)}/seats`, {
    map: (taken) => took(seats.replace(taken)),
    change: (states) => took(seats.change(states)),
    state: ({ connected, stale, age: seconds }) => {
      const kind = connected ? (stale ? "old" : "on") : "off";
      const text = !connected ? (seconds > 1 ? `connecting again · seats as of ${age(seconds)} ago` : "connecting …") : stale ? `may be out of date · as of ${age(seconds)} ago` : "live";
      if (live.textContent !== text) live.textContent = text;
      live.className = `live ${kind}`;
    },
  });
  return () => { inSight.disconnect(); feed.end(); sale.end(); map.end(); below.end(); };
}
