// The seat map: puts plan, camera, gestures, keyboard and painter together.
//
// What was painted is kept in a canvas larger than the visible one. Moving only
// copies it; it is painted again when the camera leaves it, when a zoom has come
// to rest, or when seats changed, and then at most every `CHANGES_MS`.

import { el } from "../dom.js";
import { FREE } from "./seats.js";
import { Camera } from "./camera.js";
import { Rows } from "./rows.js";
import { gestures } from "./gestures.js";
import { ink, onTheme } from "./colours.js";
import { paint } from "./paint.js";

// Around the visible part, as a share of it, on each side.
const MARGIN = 0.35;
const REST_MS = 120;
const CHANGES_MS = 80;
const PULSE_MS = 2400;
// A seat smaller than this is not pickable by pointing: pointing goes closer instead.
const PICKABLE_PX = 4.5, PICKABLE_TOUCH_PX = 7;

export class SeatMap {
  /** `say(i, map)`: a seat in words; `pick(i)`: somebody wants it, or does not any more. `heat`, set later: a number for each seat that is shown instead of its state. */
  constructor(seats, { say, pick }) {
    Object.assign(this, { seats, say: (i) => say(i, this), pick, chosen: new Set(), mine: new Set(), lifted: -1, hovered: -1, focused: -1, pulses: new Map(), heat: null });
    // For whoever measures: how often was painted, and how long it took.
    this.paints = { count: 0, ms: 0 };
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
    this.kept = { canvas: document.createElement("canvas"), x: 0, y: 0, scale: 0 };
    this.dirty = true;
    this.camera = new Camera(seats.box, seats.usual, () => { this.zoomed(); this.draw(); });
    this.rows = new Rows(seats, this.say, (i) => this.chosen.has(i) || this.mine.has(i), {
      focus: (i) => { this.focused = i; this.reveal(i); },
      blur: () => { this.focused = -1; this.draw(); },
      pick: (i) => this.pick(i),
      zoom: (factor) => this.zoomBy(factor),
    });
    this.element = el("div", { class: "seats" }, this.canvas, this.rows.element, this.tip);
    // Tests and curious people find the map here: `document.querySelector(".seats").seatMap`.
    this.element.seatMap = this;
    gestures(this.canvas, {
      pan: (dx, dy) => { this.hover(-1); this.camera.pan(dx, dy); },
      zoom: (factor, x, y) => { this.hover(-1); this.camera.zoom(factor, x, y); },
      hover: (x, y) => this.hover(this.seatAt(x, y, 3), x, y),
      leave: () => this.hover(-1),
      tap: (x, y, touch) => this.tap(x, y, touch),
    });
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(this.element);
    this.endTheme = onTheme(() => this.repaint());
  }

  end() {
    this.watcher.disconnect();
    this.endTheme();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
    clearTimeout(this.changing);
    this.ended = true;
  }

  /** The seat's place in CSS pixels from the map's left top. */
  placeOf(guid) {
    const i = this.seats.byGuid.get(guid);
    return i === undefined ? null : this.camera.place(this.seats.x[i], this.seats.y[i]);
  }

  seatAt(px, py, reach = 0) {
    const [x, y] = this.camera.at(px, py);
    return this.seats.nearest(x, y, reach / this.camera.scale);
  }

  /** Seats changed by news from outside. */
  changed(seats) {
    if (!seats.length) return;
    this.rows.update();
    this.changing ??= setTimeout(() => { this.changing = undefined; this.repaint(); }, CHANGES_MS);
  }

  /** What is chosen or mine changed here: to be seen at once. */
  repaint() {
    this.dirty = true;
    this.rows.update();
    if (this.hovered >= 0) this.tip.textContent = this.say(this.hovered);
    this.draw();
  }

  /** Lifts a tier out of the others; -1 none. */
  lift(tier) { this.lifted = tier; this.repaint(); }

  /** Rings around seats that went to somebody else. */
  pulse(seats) {
    for (const i of seats) this.pulses.set(i, performance.now());
    this.draw();
  }

  zoomBy(factor) { this.camera.zoom(factor, undefined, undefined, true); }
  whole() { this.camera.fit(this.seats.box); }
  showZone(index) {
    const zone = this.seats.zones[index];
    this.camera.fit(zone.box);
    this.rows.begin(zone.first, false);
  }

  /** Goes to a seat, close enough to see it. */
  reveal(i) {
    this.camera.reveal(this.seats.x[i], this.seats.y[i], 8 / this.seats.usual);
    this.draw();
  }

  /** Shows these seats together. */
  show(which) {
    if (!which.length) return;
    const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (const i of which) {
      const air = this.seats.usual * 22;
      box.left = Math.min(box.left, this.seats.x[i] - air);
      box.right = Math.max(box.right, this.seats.x[i] + air);
      box.top = Math.min(box.top, this.seats.y[i] - air);
      box.bottom = Math.max(box.bottom, this.seats.y[i] + air);
    }
    this.camera.fit(box);
  }

  tap(x, y, touch) {
    const least = touch ? PICKABLE_TOUCH_PX : PICKABLE_PX;
    const i = this.seatAt(x, y, touch ? 10 : 4);
    const size = i < 0 ? 0 : this.seats.r[i] * this.camera.scale;
    if (i >= 0 && size >= least) {
      this.rows.begin(i, false);
      this.pick(i);
    } else if (this.seats.usual * this.camera.scale < least) {
      this.camera.zoom((least * 1.6) / (this.seats.usual * this.camera.scale), x, y, true);
    }
  }

  hover(i, x, y) {
    if (i >= 0 && this.seats.r[i] * this.camera.scale < 2.5) i = -1;
    this.canvas.style.cursor = i >= 0 && this.seats.state[i] === FREE ? "pointer" : "";
    if (i !== this.hovered) {
      this.hovered = i;
      this.tip.hidden = i < 0;
      if (i >= 0) this.tip.textContent = this.say(i);
      this.draw();
    }
    if (i < 0) return;
    const right = x > this.camera.width / 2;
    this.tip.style.transform = `translate(${x + (right ? -14 : 14)}px, ${y + 14}px) translateX(${right ? "-100%" : "0"})`;
  }

  resize() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height) return;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2.5);
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.dirty = true;
    this.camera.resize(width, height);
  }

  zoomed() {
    if (this.kept.scale === this.camera.scale * this.ratio) return;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => { this.sharp = true; this.draw(); }, REST_MS);
  }

  draw() {
    if (this.ended) return;
    this.frame ||= requestAnimationFrame((time) => { this.frame = 0; this.showFrame(time); });
  }

  // One frame: the kept picture, painted anew if it must be, and what moves above it.
  showFrame(time) {
    if (!this.canvas.width || !this.ratio) return;
    const { camera, canvas, kept, ratio } = this;
    const [left, top] = camera.at(0, 0);
    const scale = camera.scale * ratio;
    const place = () => ({ x: (kept.x - left) * scale, y: (kept.y - top) * scale, grown: scale / kept.scale });
    let at = place();
    const covers = at.x <= 0.5 && at.y <= 0.5 && at.x + kept.canvas.width * at.grown >= canvas.width - 0.5 && at.y + kept.canvas.height * at.grown >= canvas.height - 0.5;
    const blurred = at.grown !== 1 && (this.sharp || at.grown > 1.9 || at.grown < 0.5);
    if (this.dirty || !covers || blurred) {
      this.keep(left, top, scale);
      at = place();
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    // Whole pixels, or the copy would be blurred.
    const [x, y] = at.grown === 1 ? [Math.round(at.x), Math.round(at.y)] : [at.x, at.y];
    context.drawImage(kept.canvas, x, y, kept.canvas.width * at.grown, kept.canvas.height * at.grown);
    this.rings(context, time, left, top, scale);
  }

  keep(left, top, scale) {
    const began = performance.now();
    const { kept, canvas } = this;
    const width = Math.round(canvas.width * (1 + 2 * MARGIN)), height = Math.round(canvas.height * (1 + 2 * MARGIN));
    if (kept.canvas.width !== width || kept.canvas.height !== height) Object.assign(kept.canvas, { width, height });
    Object.assign(kept, { x: left - (canvas.width * MARGIN) / scale, y: top - (canvas.height * MARGIN) / scale, scale });
    paint(kept.canvas.getContext("2d"), this.seats, kept, { width, height, ratio: this.ratio, chosen: this.chosen, mine: this.mine, lifted: this.lifted, heat: this.heat });
    this.dirty = this.sharp = false;
    this.paints.count++;
    this.paints.ms += performance.now() - began;
  }

  rings(context, time, left, top, scale) {
    const colours = ink();
    const ring = (i, colour, grown, width) => {
      context.beginPath();
      context.arc((this.seats.x[i] - left) * scale, (this.seats.y[i] - top) * scale, Math.max(4 * this.ratio, this.seats.r[i] * scale) * grown, 0, 6.2832);
      context.strokeStyle = colour;
      context.lineWidth = width * this.ratio;
      context.stroke();
    };
    if (this.hovered >= 0) ring(this.hovered, colours.ink, 1.35, 2);
    if (this.focused >= 0) {
      ring(this.focused, colours.card, 1.55, 6);
      ring(this.focused, colours.accent, 1.55, 3);
    }
    for (const [i, since] of this.pulses) {
      const part = (time - since) / PULSE_MS;
      if (part >= 1) { this.pulses.delete(i); continue; }
      ring(i, colours.warn, this.camera.still.matches ? 1.6 : 1.3 + ((part * 3) % 1) * 1.6, 3);
    }
    if (this.pulses.size) this.draw();
  }
}
