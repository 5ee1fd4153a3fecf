// Below the map: the tiers with price and what is left, each a button that lifts
// it out of the others, and what the shapes mean. Above it: zoom, and the sections.

import { el, svg, button } from "../dom.js";
import { money, count } from "../format.js";
import { tierColour, onTheme } from "./colours.js";

const sample = (...shapes) => svg("svg", { viewBox: "-10 -10 20 20", class: "sample", "aria-hidden": "true" }, shapes);
const tick = { d: "M-3.5 0 L-1 3 L4 -3", fill: "none", stroke: "var(--card)", "stroke-width": 2 };

function key(seats) {
  const rows = [
    [sample(svg("circle", { r: 7, fill: "none", stroke: "var(--soft)", "stroke-width": 2.6 })), "held by somebody"],
    [sample(svg("path", { d: "M-4 -4 L4 4 M-4 4 L4 -4", stroke: "var(--faint)", "stroke-width": 2.4, "stroke-linecap": "round" })), "sold"],
    [sample(svg("circle", { r: 8, fill: "var(--ink)" }), svg("path", tick)), "your choice"],
    [sample(svg("circle", { r: 8, fill: "var(--mine)" }), svg("path", tick)), "yours"],
  ];
  if (seats.hasAccessible) rows.push([sample(svg("rect", { x: -7, y: -7, width: 14, height: 14, fill: "var(--soft)" })), "wheelchair place"]);
  return el("ul", { class: "key", "aria-label": "What the shapes mean" }, rows.map(([shape, text]) => el("li", {}, shape, text)));
}

/** `tiers`: as the API lists them. Gives the element, and `update(free by tier)`. */
export function legend(map, tiers) {
  const { seats } = map;
  const priced = new Map(tiers.map((tier) => [tier.tier, tier]));
  const buttons = seats.tiers.map((name, index) => {
    const tier = priced.get(name);
    const left = el("span", { class: "left" });
    const dot = svg("circle", { r: 8 });
    const one = button("", () => {
      const on = map.lifted !== index;
      map.lift(on ? index : -1);
      for (const other of buttons) other.one.setAttribute("aria-pressed", on && other.one === one);
    }, { class: "tier", "aria-pressed": "false" });
    one.append(sample(dot), el("span", { class: "name" }, name), tier && el("span", { class: "price" }, money(tier.price, tier.currency)), left);
    return { one, left, dot, shown: Boolean(tier) };
  });
  const paintDots = () => buttons.forEach(({ dot }, index) => dot.setAttribute("fill", tierColour(index)));
  paintDots();
  const end = onTheme(paintDots);
  return {
    element: el("div", { class: "legend" }, el("div", { class: "tiers", role: "group", "aria-label": "Categories: press one to see only its seats" }, buttons.filter(({ shown }) => shown).map(({ one }) => one)), key(seats)),
    update: (free) => buttons.forEach(({ left }, index) => { left.textContent = free[index] ? `${count(free[index])} left` : "sold out"; }),
    end,
  };
}

/** The tools on the map. */
export function tools(map) {
  const { seats } = map;
  const sections = seats.zones.length > 1 && el("select", { "aria-label": "Go to a section", onchange: () => {
    if (sections.value === "") map.whole(); else map.showZone(Number(sections.value));
  } }, el("option", { value: "" }, "Whole house"), seats.zones.map((zone, index) => zone.count > 0 && el("option", { value: index }, zone.name || `Section ${index + 1}`)));
  const tool = (text, label, onclick) => button(text, onclick, { "aria-label": label, title: label });
  return el("div", { class: "tools" }, sections,
    el("div", { class: "zoom" }, tool("+", "Closer", () => map.zoomBy(1.6)), tool("−", "Further away", () => map.zoomBy(1 / 1.6)),
      tool("⤢", "The whole house", () => { if (sections) sections.value = ""; map.whole(); })));
}
