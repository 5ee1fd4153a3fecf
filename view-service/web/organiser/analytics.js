// How one performance sells: from looking to buying, occupancy and revenue over
// time, the seats people fought for, and all of it as a table to keep.

import { el, button, page, waiting, download, toast } from "../dom.js";
import { ask, look } from "../api.js";
import { money, count, many, day, hour, LOCALE } from "../format.js";
import { planSeats } from "../plans.js";
import { SeatMap } from "../map/map.js";
import { tools } from "../map/legend.js";
import { steps } from "./steps.js";

const EVERY_MS = 5000;
const HOUR_MS = 3_600_000;
const RANGES = [["the last 24 hours", 24], ["the last 7 days", 7 * 24], ["the last 31 days", 31 * 24], ["the last 400 days", 400 * 24 - 1]];

/** Shows it; gives what ends it. */
export async function showAnalytics(showId, id) {
  page("How it sells", waiting());
  const [show, performance] = [encodeURIComponent(showId), encodeURIComponent(id)];
  const path = `/v1/admin/shows/${show}/performances/${performance}/analytics`;
  let ended = false;
  let timer;

  const range = el("select", { name: "range", "aria-label": "Which time is shown", onchange: () => refresh().catch(failed) },
    RANGES.map(([name, hours]) => el("option", { value: hours, selected: hours === RANGES[2][1] }, name)));
  const from = () => `from=${encodeURIComponent(new Date(Date.now() - Number(range.value) * HOUR_MS).toISOString())}`;
  const seen = el("p", { class: "soft seen", role: "status" });
  const numbers = el("section", { class: "card", id: "funnel" });
  const course = el("section", { class: "card", id: "course" });
  const heat = el("section", { class: "card", id: "heat" }, el("h2", {}, "Wanted in vain"), waiting());
  const failed = (error) => { if (!ended) seen.textContent = `May be out of date: ${error.message}`; };

  async function refresh() {
    const told = await look(`${path}?${from()}`, { patience: 0 });
    if (ended) return;
    numbers.replaceChildren(...funnel(told));
    course.replaceChildren(el("h2", {}, "Over time"), ...overTime(told));
    seen.textContent = told.counted_at ? `Sales as of ${new Date(told.counted_at).toLocaleTimeString(LOCALE)}` : "Nothing is sold yet";
    drawn.then((map) => map?.warm(told.contested)).catch(failed);
  }

  const keep = (table) => async () => {
    try {
      const { text } = await ask("GET", `${path}.csv?${from()}&table=${table}`);
      download(`${id}-${table}.csv`, "text/csv", text);
    } catch (error) { toast(error.message, "bad"); }
  };

  // Where and when, and the plan: of the public view.
  const view = await look(`/v1/show/${show}`, { anonymous: true }).catch(() => null);
  const evening = view?.performances.find((one) => one.performance_id === id);
  const title = evening ? `${view.name}, ${day(evening)}, ${hour(evening)} · ${evening.location}` : id;
  const drawn = evening ? planSeats(evening.plan_id).then((seats) => (ended ? null : heatMap(heat, seats))) : Promise.resolve(null);
  page("How it sells",
    el("nav", { class: "crumbs", "aria-label": "Where you are" }, el("a", { href: "#/organise" }, "Organise"), el("a", { href: `#/organise/${show}` }, view?.name || showId), el("span", { "aria-current": "page" }, "How it sells")),
    el("h1", {}, title), seen,
    el("div", { class: "row" }, range, button("Hours as CSV", keep("hours"), { class: "quiet", id: "csv-hours" }), button("Seats as CSV", keep("seats"), { class: "quiet", id: "csv-seats" })),
    el("div", { class: "selling" }, numbers, course, heat));
  await refresh();
  const tick = async () => {
    if (ended) return;
    try { if (!document.hidden) await refresh(); } catch (error) { failed(error); }
    if (!ended) timer = setTimeout(tick, EVERY_MS);
  };
  timer = setTimeout(tick, EVERY_MS);
  return () => { ended = true; clearTimeout(timer); drawn.then((map) => map?.end()).catch(() => {}); };
}

function funnel({ demand, sales, currency, seats_held_now: now, seats_abandoned: abandoned }) {
  const stages = [["looked at it", demand.views], ["took seats", demand.holds], ["bought", sales.bookings]];
  const most = Math.max(1, ...stages.map(([, value]) => value));
  const stage = ([name, value], n) => {
    const bar = el("i", { class: "sold" });
    bar.style.width = `${(100 * value) / most}%`;
    const before = n && stages[n - 1][1];
    // Somebody may buy who never looked: then a share would be nonsense.
    const share = before && value <= before ? `${Math.round((100 * value) / before)} %` : "";
    return el("li", {}, el("span", {}, name), el("div", { class: "meter", "aria-hidden": "true" }, bar), el("b", {}, count(value)), el("small", {}, share));
  };
  const figure = (value, text) => el("div", { class: "figure" }, el("b", {}, value), el("small", {}, text));
  return [el("h2", {}, "From looking to buying"), el("ol", { class: "funnel" }, stages.map(stage)),
    el("div", { class: "figures" },
      figure(count(sales.tickets), `${sales.tickets === 1 ? "ticket" : "tickets"} sold`), figure(money(sales.revenue, currency), "for them"),
      figure(count(sales.cancelled_tickets), "cancelled"), figure(money(sales.refunded, currency), "refunded"),
      now !== undefined && figure(count(now), "held now"), abandoned !== undefined && figure(count(abandoned), "seats held and let go"),
      figure(count(demand.refused), "times refused"))].filter(Boolean);
}

function overTime({ hours, from, to, seats_total: total, currency }) {
  const end = Math.min(Date.parse(to), Math.max(Date.now(), Date.parse(from)));
  const [first] = hours;
  if (!first) return [el("p", { class: "soft" }, "Nothing happened in this time.")];
  // What was sold before the first hour that is shown.
  const before = { seats: first.occupied - first.sales.tickets + first.sales.cancelled_tickets, money: first.revenue_so_far - first.sales.revenue + first.sales.refunded };
  const points = (start, value) => [{ at: Date.parse(from), value: start }, ...hours.map((one) => ({ at: Math.min(end, Date.parse(one.hour) + HOUR_MS), value: value(one) }))];
  return [
    steps(points(before.seats, (one) => one.occupied), { until: end, most: total, say: (value) => count(Math.round(value)), name: `Seats sold of ${count(total)}` }),
    steps(points(before.money, (one) => one.revenue_so_far), { until: end, say: (value) => money(value, currency), name: "Revenue" })];
}

function heatMap(place, seats) {
  const wanted = new Float32Array(seats.count);
  const times = (i) => Math.round(wanted[i]);
  const map = new SeatMap(seats, { say: (i) => `${seats.label(i)}: ${times(i) ? `wanted in vain ${many(times(i), "time")}` : "nobody wanted it in vain"}`, pick: () => {} });
  const most = el("ol", { class: "contested" });
  const note = el("p", { class: "soft" });
  place.replaceChildren(el("h2", {}, "Wanted in vain"), note,
    el("div", { class: "preview map" }, el("div", { class: "over" }, el("span"), tools(map)), map.element), most);
  return {
    end: () => map.end(),
    warm(contested) {
      wanted.fill(0);
      for (const { seat, conflicts } of contested) {
        const i = seats.byGuid.get(seat);
        if (i !== undefined) wanted[i] = conflicts;
      }
      map.heat = wanted;
      map.repaint();
      note.textContent = contested.length ? "Seats that were asked for while somebody else had them, since the sale began: the larger, the more often." : "No seat was asked for while somebody else had it.";
      most.replaceChildren(...contested.slice(0, 10).map(({ seat, conflicts }) => el("li", {}, seats.nameOf(seat), " ", el("b", {}, many(conflicts, "time")))));
    },
  };
}
