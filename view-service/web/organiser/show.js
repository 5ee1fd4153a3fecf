// One show at the organiser's desk: what is sold, live, over time; new
// performances; deleting one.

import { el, button, page, waiting, toast, sure } from "../dom.js";
import { ask, look } from "../api.js";
import { moment, money, many, count, day, hour, LOCALE } from "../format.js";
import { tierColour } from "../map/colours.js";
import { plot } from "./plot.js";
import { newPerformance } from "./performance.js";

const EVERY_MS = 2000;
const MOST_POINTS = 900;

const sum = (tiers, what) => tiers.reduce((total, tier) => total + tier[what], 0);

/** Shows it; gives what ends it. */
export async function showDesk(showId) {
  page("Organise", waiting());
  const path = `/v1/admin/shows/${encodeURIComponent(showId)}`;
  const history = new Map();
  const seen = el("p", { class: "soft seen", role: "status" });
  const place = el("div", { id: "sales" });
  let show = { name: showId, performances: [] };
  let sales = { performances: [] };
  let ended = false;

  const zone = (id) => show.performances.find((one) => one.performance_id === id);
  async function refresh() {
    sales = await look(`${path}/sales`, { patience: 0 });
    if (sales.performances.some((one) => !zone(one.performance_id)) || show.name === showId) {
      // Names and time zones are in the public view, a moment later.
      show = await look(`/v1/show/${encodeURIComponent(showId)}`, { anonymous: true, patience: 0 }).catch(() => show);
      heading.textContent = show.name;
    }
    const now = Date.now();
    for (const one of sales.performances) {
      const points = history.get(one.performance_id) || [];
      points.push({ at: now, sold: sum(one.tiers, "sold"), held: sum(one.tiers, "held") });
      history.set(one.performance_id, points.slice(-MOST_POINTS));
    }
    seen.textContent = `Live · ${new Date(now).toLocaleTimeString(LOCALE)}`;
    draw();
  }

  function draw() {
    if (!sales.performances.length) return place.replaceChildren(el("div", { class: "card empty" }, el("p", {}, "No performances yet.")));
    for (const old of [...place.children]) if (!sales.performances.some((one) => `p-${one.performance_id}` === old.id)) old.remove();
    for (const one of sales.performances) {
      const id = `p-${one.performance_id}`;
      let box = document.getElementById(id);
      if (!box) {
        box = el("section", { class: "card", id }, el("div", { class: "head" }), el("div", { class: "now" }),
          el("div", { class: "row" }, el("a", { class: "button", href: `#/show/${showId}/${one.performance_id}` }, "Seat map"), el("a", { class: "button", href: `#/organise/${showId}/${one.performance_id}` }, "How it sells"), button("Delete", () => remove(one.performance_id), { class: "quiet cancel" })));
        place.append(box);
      }
      const view = zone(one.performance_id);
      box.querySelector(".head").replaceChildren(el("h2", {}, view ? `${day(view)}, ${hour(view)} · ${one.location}` : `${moment(one.starts_at)} · ${one.location}`), el("p", { class: "soft" }, one.venue));
      box.querySelector(".now").replaceChildren(...figures(one, history.get(one.performance_id)));
    }
  }

  async function remove(id) {
    // As it is now, not as it was when the button was drawn.
    const one = sales.performances.find((performance) => performance.performance_id === id);
    if (!one) return;
    const sold = sum(one.tiers, "sold");
    const held = sum(one.tiers, "held");
    const live = sold + held > 0;
    if (!(await sure({ title: "Delete this performance?", yes: live ? "Cancel all and delete" : "Delete it",
      text: live ? `${many(sold, "ticket")} sold and ${many(held, "seat")} held: all bookings are cancelled and refunded.` : "Nobody has a ticket for it." }))) return;
    try {
      await ask("DELETE", `${path}/performances/${id}${live ? "?cancel_bookings=true" : ""}`, { patience: 20_000 });
      toast("The performance is deleted.");
      await refresh();
    } catch (error) {
      toast(error.code === "seat_taken" ? "Somebody has bought a ticket meanwhile. Look again, then delete with its bookings." : error.message, "bad");
    }
  }

  const heading = el("h1", {}, showId);
  page("Organise", el("nav", { class: "crumbs", "aria-label": "Where you are" }, el("a", { href: "#/organise" }, "Organise"), el("span", { "aria-current": "page" }, showId)),
    heading, seen, el("div", { class: "desk" }, place, el("div", {}, newPerformance(showId, () => show, () => refresh().catch(() => {})))));
  await refresh();
  const tick = async () => {
    if (ended) return;
    try { if (!document.hidden) await refresh(); } catch (error) { if (!ended) seen.textContent = `May be out of date: ${error.message}`; }
    if (!ended) timer = setTimeout(tick, EVERY_MS);
  };
  let timer = setTimeout(tick, EVERY_MS);
  return () => { ended = true; clearTimeout(timer); };
}

function figures({ tiers }, points) {
  const currency = tiers[0]?.currency || "EUR";
  const [sold, held, free, total] = ["sold", "held", "free", "seats_total"].map((what) => sum(tiers, what));
  const figure = (value, text) => el("div", { class: "figure" }, el("b", {}, value), el("small", {}, text));
  const bar = (tier) => {
    const part = (what) => { const piece = el("i", { class: what }); piece.style.width = `${(100 * tier[what]) / (tier.seats_total || 1)}%`; return piece; };
    return el("div", { class: "meter", "aria-hidden": "true" }, part("sold"), part("held"));
  };
  const dot = (index) => { const one = el("i", { class: "dot" }); one.style.background = tierColour(index); return one; };
  return [
    el("div", { class: "figures" }, figure(count(sold), `of ${count(total)} sold`), figure(count(held), "held"), figure(count(free), "free"), figure(money(sum(tiers, "revenue"), currency), "revenue")),
    plot(points, total),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ["Category", "", "Sold", "Held", "Free", "Cancelled", "Revenue"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, tiers.map((tier, index) => el("tr", {}, el("td", {}, dot(index), " ", tier.tier), el("td", {}, bar(tier)),
        ["sold", "held", "free", "cancelled"].map((what) => el("td", {}, count(tier[what]))), el("td", {}, money(tier.revenue, currency))))))),
  ];
}
