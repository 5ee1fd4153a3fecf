// Sold and held seats over the time the page has watched. Lines of different
// dashes, named at their ends; the numbers themselves stand beside it.

import { el, svg } from "../dom.js";
import { count, LOCALE } from "../format.js";

const WIDE = 780, HIGH = 200, LEFT = 44, RIGHT = 70, TOP = 12, BELOW = 24;

/** A round number of at least `most`. */
function ceiling(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [1, 2, 5, 10].map((n) => n * size).find((n) => n >= most) || 10;
}

/** `points`: `{at, sold, held}` by time; `total`: all seats. */
export function plot(points, total) {
  const most = Math.min(Math.max(total, 1), ceiling(Math.max(4, ...points.map((one) => Math.max(one.sold, one.held)))));
  const from = points[0].at, to = Math.max(points.at(-1).at, from + 30_000);
  const x = (at) => LEFT + ((at - from) / (to - from)) * (WIDE - LEFT - RIGHT);
  const y = (value) => HIGH - BELOW - (Math.min(value, most) / most) * (HIGH - TOP - BELOW);
  const path = (what) => points.map((one, n) => {
    const to = `${x(one.at).toFixed(1)} ${y(one[what]).toFixed(1)}`;
    // Seats are sold at once: steps, not slopes.
    return n ? `L${x(one.at).toFixed(1)} ${y(points[n - 1][what]).toFixed(1)} L${to}` : `M${to}`;
  }).join(" ");
  const last = points.at(-1);
  const text = (at, words, props = {}) => svg("text", { x: at[0], y: at[1], ...props }, words);
  const time = (at) => new Date(at).toLocaleTimeString(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  // The two names must not lie on each other.
  const apart = Math.abs(y(last.sold) - y(last.held)) < 14;
  const heldAt = apart ? y(last.sold) + (last.held > last.sold ? -14 : 14) : y(last.held);
  return el("figure", { class: "stack" }, svg("svg", { class: "plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `Over time: ${count(last.sold)} sold and ${count(last.held)} held now` },
    [0, most / 2, most].map((value) => [svg("line", { class: "grid", x1: LEFT, x2: WIDE - RIGHT, y1: y(value), y2: y(value) }), text([LEFT - 6, y(value) + 4], count(value), { "text-anchor": "end" })]),
    text([LEFT, HIGH - 6], time(from)), text([WIDE - RIGHT, HIGH - 6], time(to), { "text-anchor": "end" }),
    svg("path", { class: "line", d: path("held"), stroke: "var(--mine)", "stroke-dasharray": "5 4" }),
    svg("path", { class: "line", d: path("sold"), stroke: "var(--accent)" }),
    ["held", "sold"].map((what) => svg("circle", { cx: x(last.at), cy: y(last[what]), r: 3, fill: what === "sold" ? "var(--accent)" : "var(--mine)" })),
    text([x(last.at) + 8, y(last.sold) + 4], `sold ${count(last.sold)}`), text([x(last.at) + 8, heldAt + 4], `held ${count(last.held)}`)));
}
