// Draws the plan into a canvas for one camera: areas, seats, labels. It keeps
// nothing; how often it is called is decided elsewhere.
//
// Seats of one look are one path and one fill, however many there are. What a
// seat looks like says what is true of it without any colour: free is full,
// held a ring, sold a small cross, chosen larger with a tick.

import { FREE, HELD, ACCESSIBLE, COMPANION, RESTRICTED } from "./seats.js";
import { ink, isDark, tierColour } from "./colours.js";

// Below these radii on the screen, in CSS pixels, details would only be noise.
const SQUARES = 2.2, GLYPHS = 4, LABELS = 4.5, NUMBERS = 9;

/**
 * `camera`: the plan's point at the canvas's left top (`x`, `y`) and pixels a unit (`scale`), all for
 * device pixels; `ratio`: device pixels a CSS pixel. `chosen`, `mine`: sets of seats. `lifted`: a tier or -1.
 * `heat`: a number for each seat, shown instead of what is true of it; or null.
 */
export function paint(context, seats, camera, { width, height, ratio, chosen, mine, lifted, heat }) {
  const { x: left, y: top, scale } = camera;
  const colours = ink();
  const size = (seats.usual * scale) / ratio;
  const view = [left, top, left + width / scale, top + height / scale];
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
  for (const area of seats.areas) paintArea(context, area, colours);
  context.setTransform(1, 0, 0, 1, 0, 0);

  const at = { x: (i) => (seats.x[i] - left) * scale, y: (i) => (seats.y[i] - top) * scale, r: (i) => seats.r[i] * scale };
  const small = size < SQUARES;
  if (heat) paintHeat(context, seats, at, view, heat, small, colours, ratio);
  else paintStates(context, seats, at, { view, size, small, scale, ratio, chosen, mine, lifted }, colours);
  if (size >= LABELS) rowLabels(context, seats, at, view, colours, ratio, scale);
  zoneLabels(context, seats, at, size, colours, ratio);
}

function paintStates(context, seats, at, { view, size, small, scale, ratio, chosen, mine, lifted }, colours) {
  const looks = sortByLook(seats, view, chosen, mine);
  for (const [tier, free] of looks.free.entries()) {
    if (!free.length) continue;
    context.globalAlpha = lifted >= 0 && lifted !== tier ? 0.16 : 1;
    context.fillStyle = tierColour(tier);
    fillSeats(context, at, free, small, (i) => seats.marks[i] & ACCESSIBLE);
  }
  context.globalAlpha = lifted >= 0 ? 0.4 : 1;
  strokeSeats(context, at, looks.held, small, colours.soft, ratio);
  crosses(context, at, looks.sold, small, colours.faint, ratio);
  if (size >= GLYPHS) marks(context, seats, at, looks.free.flat(), colours, ratio);
  context.globalAlpha = 1;
  own(context, at, looks.chosen, colours.ink, colours.card, ratio);
  own(context, at, looks.mine, colours.mine, colours.card, ratio);
  if (size >= NUMBERS) numbers(context, seats, at, looks, colours, scale);
}

// The hotter, the larger and the fuller: in four steps, so that seats of one are one path.
function paintHeat(context, seats, at, view, heat, small, colours, ratio) {
  const most = heat.reduce((sum, one) => Math.max(sum, one), 0);
  const steps = [[], [], [], [], []];
  seats.within(...view, (i) => steps[heat[i] > 0 ? Math.max(1, Math.ceil((4 * heat[i]) / most)) : 0].push(i));
  strokeSeats(context, at, steps[0], small, colours.faint, ratio);
  context.fillStyle = colours.warn;
  for (let step = 1; step <= 4; step++) {
    context.globalAlpha = 0.4 + 0.15 * step;
    const grown = { ...at, r: (i) => Math.max((1 + step) * ratio, at.r(i) * (0.8 + 0.18 * step)) };
    fillSeats(context, grown, steps[step], small, () => false);
  }
  context.globalAlpha = 1;
}

function sortByLook(seats, view, chosen, mine) {
  const looks = { free: seats.tiers.map(() => []), held: [], sold: [], chosen: [], mine: [] };
  seats.within(...view, (i) => {
    if (mine.has(i)) looks.mine.push(i);
    else if (chosen.has(i)) looks.chosen.push(i);
    else if (seats.state[i] === FREE) looks.free[seats.tier[i]].push(i);
    else (seats.state[i] === HELD ? looks.held : looks.sold).push(i);
  });
  return looks;
}

function fillSeats(context, at, which, small, square) {
  context.beginPath();
  for (const i of which) {
    const x = at.x(i), y = at.y(i), r = Math.max(0.7, at.r(i));
    if (small || square(i)) context.rect(x - r, y - r, 2 * r, 2 * r);
    else { context.moveTo(x + r, y); context.arc(x, y, r, 0, 6.2832); }
  }
  context.fill();
}

function strokeSeats(context, at, which, small, colour, ratio) {
  if (!which.length) return;
  context.beginPath();
  context.strokeStyle = colour;
  for (const i of which) {
    const x = at.x(i), y = at.y(i), r = at.r(i);
    context.lineWidth = Math.max(ratio * 0.6, r * 0.3);
    const inner = Math.max(0.5, r * 0.78);
    if (small) context.rect(x - inner / 2, y - inner / 2, inner, inner);
    else { context.moveTo(x + inner, y); context.arc(x, y, inner, 0, 6.2832); }
  }
  context.stroke();
}

function crosses(context, at, which, small, colour, ratio) {
  if (!which.length) return;
  context.beginPath();
  context.strokeStyle = colour;
  context.lineCap = "round";
  for (const i of which) {
    const x = at.x(i), y = at.y(i), arm = at.r(i) * 0.5;
    context.lineWidth = Math.max(ratio * 0.5, at.r(i) * 0.24);
    if (small) { context.moveTo(x - arm / 2, y); context.lineTo(x + arm / 2, y); continue; }
    context.moveTo(x - arm, y - arm); context.lineTo(x + arm, y + arm);
    context.moveTo(x - arm, y + arm); context.lineTo(x + arm, y - arm);
  }
  context.stroke();
}

// Chosen and mine: larger, edged, with a tick.
function own(context, at, which, colour, edge, ratio) {
  for (const i of which) {
    const x = at.x(i), y = at.y(i), r = Math.max(4 * ratio, at.r(i) * 1.22);
    context.beginPath();
    context.arc(x, y, r, 0, 6.2832);
    context.fillStyle = colour;
    context.fill();
    context.lineWidth = Math.max(1.2 * ratio, r * 0.14);
    context.strokeStyle = edge;
    context.stroke();
    context.beginPath();
    context.moveTo(x - r * 0.45, y + r * 0.02);
    context.lineTo(x - r * 0.12, y + r * 0.36);
    context.lineTo(x + r * 0.48, y - r * 0.36);
    context.lineWidth = Math.max(1.2 * ratio, r * 0.2);
    context.stroke();
  }
}

// A wheelchair, a companion's dot, the bar of a restricted view.
function marks(context, seats, at, which, colours, ratio) {
  context.strokeStyle = colours.card;
  context.fillStyle = colours.card;
  for (const i of which) {
    const mark = seats.marks[i];
    if (!mark) continue;
    const x = at.x(i), y = at.y(i), r = at.r(i);
    context.lineWidth = Math.max(ratio * 0.8, r * 0.16);
    context.beginPath();
    if (mark & ACCESSIBLE) {
      context.arc(x - r * 0.05, y + r * 0.22, r * 0.4, 0.2, 3.9);
      context.moveTo(x - r * 0.15, y - r * 0.35);
      context.lineTo(x - r * 0.1, y + r * 0.15);
      context.lineTo(x + r * 0.3, y + r * 0.15);
      context.lineTo(x + r * 0.5, y + r * 0.6);
      context.moveTo(x - r * 0.12, y - r * 0.12);
      context.lineTo(x + r * 0.25, y - r * 0.12);
      context.stroke();
      context.beginPath();
      context.arc(x - r * 0.16, y - r * 0.58, r * 0.16, 0, 6.2832);
      context.fill();
    } else if (mark & COMPANION) {
      context.arc(x, y, r * 0.55, 0, 6.2832);
      context.stroke();
    } else if (mark & RESTRICTED) {
      context.rect(x - r, y - r * 0.18, 2 * r, r * 0.36);
      context.fill();
    }
  }
}

function numbers(context, seats, at, looks, colours, scale) {
  context.font = `600 ${Math.round(seats.usual * scale * 0.85)}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = colours.card;
  for (const i of looks.free.flat()) if (!seats.marks[i]) context.fillText(seats.number[i], at.x(i), at.y(i), at.r(i) * 1.9);
}

// What is written at a row stands where its next seat would be.
function rowLabels(context, seats, at, [left, top, right, bottom], colours, ratio, scale) {
  const none = seats.rows.every((row) => !row.position);
  context.font = `600 ${Math.round(Math.min(16 * ratio, Math.max(9 * ratio, seats.usual * scale)))}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = colours.soft;
  for (const row of seats.rows) {
    const position = none ? "start" : row.position;
    const first = row.first, last = row.first + row.count - 1;
    if (!position || !row.count) continue;
    const write = (end, next) => {
      let dx = seats.x[end] - seats.x[next], dy = seats.y[end] - seats.y[next];
      const length = Math.hypot(dx, dy);
      if (!length) { dx = -1; dy = 0; } else { dx /= length; dy /= length; }
      const away = Math.min(length || Infinity, seats.r[end] * 2.6) + seats.r[end] * 0.4;
      const x = seats.x[end] + dx * away, y = seats.y[end] + dy * away;
      if (x < left || x > right || y < top || y > bottom) return;
      context.fillText(row.number, (x - left) * scale, (y - top) * scale);
    };
    if (position !== "end") write(first, Math.min(first + 1, last));
    if (position !== "start") write(last, Math.max(last - 1, first));
  }
}

// The sections' names: over them while seats are dots, above them where there are few.
function zoneLabels(context, seats, at, size, colours, ratio) {
  const few = seats.zones.length < 5;
  if (seats.zones.length < 2 || (!few && size >= LABELS)) return;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const written = [];
  for (const zone of seats.zones) {
    if (!zone.name || !zone.count) continue;
    const { left, top, right, bottom } = zone.box;
    const i = zone.first;
    const [x0, y0] = [at.x(i) + (left - seats.x[i]) * (at.r(i) / seats.r[i]), at.y(i) + (top - seats.y[i]) * (at.r(i) / seats.r[i])];
    const unit = at.r(i) / seats.r[i];
    const [wide, high] = [(right - left) * unit, (bottom - top) * unit];
    // "Section 101" is said by its number alone where many stand together.
    const name = few ? zone.name : zone.name.replace(/^(section|block|sektor|zone)\s+/i, "");
    context.font = `700 ${Math.round((few ? 13 : 12) * ratio)}px system-ui, sans-serif`;
    const width = context.measureText(name).width + 10 * ratio;
    if (!few && (width > wide * 1.4 || high < 14 * ratio)) continue;
    const x = x0 + wide / 2, y = few ? y0 - 16 * ratio : y0 + high / 2;
    // Floors above each other have the same middle: their names must not lie on each other.
    if (written.some((other) => Math.abs(other.x - x) < (other.width + width) / 2 && Math.abs(other.y - y) < 18 * ratio)) continue;
    written.push({ x, y, width });
    context.fillStyle = colours.card;
    context.globalAlpha = 0.86;
    context.beginPath();
    context.roundRect(x - width / 2, y - 9 * ratio, width, 18 * ratio, 9 * ratio);
    context.fill();
    context.globalAlpha = 1;
    context.fillStyle = colours.ink;
    context.fillText(name, x, y);
  }
}

// Areas are only drawn. In the dark their paper colours are dimmed.
function paintArea(context, area, colours) {
  context.save();
  context.translate(area.at.x, area.at.y);
  if (area.rotation) context.rotate((area.rotation * Math.PI) / 180);
  context.beginPath();
  const { shape } = area;
  if (shape === "rectangle" && area.rectangle) context.rect(0, 0, area.rectangle.width, area.rectangle.height);
  else if (shape === "circle" && area.circle) context.arc(0, 0, area.circle.radius, 0, 6.2832);
  else if (shape === "ellipse" && area.ellipse) context.ellipse(0, 0, area.ellipse.radius.x, area.ellipse.radius.y, 0, 0, 6.2832);
  else if (shape === "polygon" && area.polygon) {
    area.polygon.points.forEach((point, n) => (n ? context.lineTo(point.x, point.y) : context.moveTo(point.x, point.y)));
    context.closePath();
  }
  if (shape !== "text") {
    context.globalAlpha = isDark() ? 0.3 : 0.75;
    context.fillStyle = area.color || colours.faint;
    context.fill();
    context.globalAlpha = 1;
    // Pale areas would not be seen without an edge.
    context.strokeStyle = area.border_color && area.border_color.toLowerCase() !== "#ffffff" ? area.border_color : colours.faint;
    context.lineWidth = 1.2;
    context.stroke();
  }
  if (area.text?.text) {
    context.fillStyle = isDark() ? colours.ink : area.text.color || "#3d4650";
    context.font = `600 ${area.text.size || 16}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(area.text.text, area.text.position.x, area.text.position.y);
  }
  context.restore();
}
