// One number over time as a line of steps: seats are sold at once, not bit by bit.

import { el, svg } from "../dom.js";
import { LOCALE } from "../format.js";

const WIDE = 780, HIGH = 200, LEFT = 84, RIGHT = 20, TOP = 12, BELOW = 24;
const DAY_MS = 86_400_000;

/** A round number of at least `most`. */
export function ceiling(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [1, 2, 5, 10].map((n) => n * size).find((n) => n >= most) || 10;
}

/**
 * `points`: `{at, value}` by time, the first where the picture begins; `until`: where it ends; `most`: the
 * largest value there can be, if there is one; `say(value)`: a value in words; `name`: what it is.
 */
export function steps(points, { until, most, say, name }) {
  const top = Math.min(most || Infinity, ceiling(Math.max(4, ...points.map((one) => one.value))));
  const from = points[0].at, to = Math.max(until, from + 1);
  const x = (at) => LEFT + ((at - from) / (to - from)) * (WIDE - LEFT - RIGHT);
  const y = (value) => HIGH - BELOW - (Math.min(value, top) / top) * (HIGH - TOP - BELOW);
  const last = points.at(-1);
  const line = points.map((one, n) => {
    const here = `${x(one.at).toFixed(1)} ${y(one.value).toFixed(1)}`;
    return n ? `L${x(one.at).toFixed(1)} ${y(points[n - 1].value).toFixed(1)} L${here}` : `M${here}`;
  }).concat(`L${x(to).toFixed(1)} ${y(last.value).toFixed(1)}`).join(" ");
  const time = (at) => new Date(at).toLocaleString(LOCALE, to - from > 2 * DAY_MS ? { day: "numeric", month: "short" } : { weekday: "short", hour: "2-digit", minute: "2-digit" });
  const text = (at, words, anchor) => svg("text", { x: at[0], y: at[1], "text-anchor": anchor }, words);
  return el("figure", { class: "stack" }, el("figcaption", {}, `${name}: `, el("b", {}, say(last.value))),
    svg("svg", { class: "plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${name} over time, ${say(points[0].value)} at first and ${say(last.value)} at the end` },
      [0, top / 2, top].map((value) => [svg("line", { class: "grid", x1: LEFT, x2: WIDE - RIGHT, y1: y(value), y2: y(value) }), text([LEFT - 6, y(value) + 4], say(value), "end")]),
      text([LEFT, HIGH - 6], time(from)), text([WIDE - RIGHT, HIGH - 6], time(to), "end"),
      svg("path", { class: "line", d: line, stroke: "var(--accent)" })));
}
