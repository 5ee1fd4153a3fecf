// A picture for a show that has none: shapes and colours that follow from its id,
// so that it looks the same everywhere and always.

import { svg } from "./dom.js";

const PALETTES = [
  ["#12304f", "#f2b134", "#ed553b", "#f6f1e7"], ["#2d1e2f", "#e84855", "#f9dc5c", "#f4f0ea"],
  ["#0d3b3e", "#f46036", "#5fd3bc", "#f3f7f0"], ["#23214b", "#b5a6f0", "#ff8c61", "#f3eefb"],
  ["#3a1d0f", "#e8a33d", "#7ab8a4", "#faf3e6"], ["#10243a", "#57c4e5", "#f7717d", "#eef6fb"],
];

// Small, and good enough for pictures.
function dice(text) {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  return () => {
    state = Math.imul(state ^ (state >>> 15), 2246822507) + 0x9e3779b9;
    return ((state ^ (state >>> 13)) >>> 0) / 4294967296;
  };
}

const SCENES = [
  // A sun over hills.
  (roll, [, b, c, d]) => [
    svg("circle", { cx: 90 + roll() * 140, cy: 70, r: 38 + roll() * 16, fill: b }),
    svg("path", { d: `M0 130 Q80 ${70 + roll() * 40} 170 125 T320 110 V180 H0Z`, fill: c }),
    svg("path", { d: `M0 155 Q110 ${110 + roll() * 30} 200 150 T320 140 V180 H0Z`, fill: d, opacity: 0.85 }),
  ],
  // Rows of lamps.
  (roll, [, b, c, d]) => Array.from({ length: 4 }, (_, row) => Array.from({ length: 9 }, (_, column) =>
    svg("circle", { cx: 20 + column * 35 + (row % 2) * 17, cy: 26 + row * 40, r: 5 + roll() * 11, fill: [b, c, d][Math.floor(roll() * 3)], opacity: 0.55 + roll() * 0.45 }))),
  // Arcs of a stage.
  (roll, [, b, c, d]) => Array.from({ length: 6 }, (_, n) =>
    svg("circle", { cx: 160, cy: 190, r: 40 + n * 28, fill: "none", stroke: [b, c, d][(n + Math.floor(roll() * 2)) % 3], "stroke-width": 12 - n, "stroke-dasharray": `${20 + roll() * 90} ${6 + roll() * 20}` })),
  // Beams of light.
  (roll, [, b, c, d]) => Array.from({ length: 5 }, (_, n) => {
    const x = 20 + n * 66 + roll() * 20;
    return svg("path", { d: `M${x} -10 L${x - 60 + roll() * 40} 190 L${x + 30 + roll() * 60} 190 Z`, fill: [b, c, d][n % 3], opacity: 0.35 + roll() * 0.35 });
  }),
  // A curtain.
  (roll, [, b, c]) => Array.from({ length: 13 }, (_, n) =>
    svg("path", { d: `M${n * 26 - 6} 0 C${n * 26 + 24} 60 ${n * 26 - 18} 120 ${n * 26 + 8 * roll()} 180 H${n * 26 + 27} C${n * 26 + 6} 120 ${n * 26 + 44} 60 ${n * 26 + 20} 0Z`, fill: n % 2 ? b : c, opacity: 0.75 })),
  // Moons.
  (roll, [a, b, c, d]) => {
    const x = 100 + roll() * 120;
    return [svg("circle", { cx: x, cy: 90, r: 58, fill: d }), svg("circle", { cx: x + 26, cy: 78, r: 52, fill: a }),
      Array.from({ length: 24 }, () => svg("circle", { cx: roll() * 320, cy: roll() * 180, r: 0.8 + roll() * 2, fill: roll() < 0.5 ? b : c }))];
  },
];

/** The show's picture; says nothing to screen readers, its title stands beside it. */
export function poster(showId) {
  const roll = dice(showId);
  for (let i = 0; i < 5; i++) roll();
  const palette = PALETTES[Math.floor(roll() * PALETTES.length)];
  const scene = SCENES[Math.floor(roll() * SCENES.length)];
  return svg("svg", { class: "poster", viewBox: "0 0 320 180", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" },
    svg("rect", { width: 320, height: 180, fill: palette[0] }), scene(roll, palette));
}
