// Where the map is looked at from: which point of the plan is in the middle, and
// how large a unit of it is. Knows rectangles, no seats and no canvas.

const LARGEST_SEAT_PX = 26;
const GLIDE_MS = 260;

export class Camera {
  /** `box`: what there is to see; `seat`: the usual radius of a seat, in plan units. */
  constructor(box, seat, changed) {
    Object.assign(this, { box, seat, changed, x: 0, y: 0, scale: 1, width: 1, height: 1 });
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** The canvas has this size now, in CSS pixels. */
  resize(width, height) {
    const first = this.width === 1;
    const whole = Math.abs(this.scale - this.whole().scale) < 1e-6;
    Object.assign(this, { width, height });
    if (first || whole) this.fit(this.box, false);
    else this.look(this);
  }

  /** How the whole plan is seen. */
  whole() { return this.around(this.box); }

  around({ left, top, right, bottom }, air = 28) {
    const scale = Math.min((this.width - 2 * air) / (right - left || 1), (this.height - 2 * air) / (bottom - top || 1));
    return { x: (left + right) / 2, y: (top + bottom) / 2, scale: Math.max(scale, 1e-6) };
  }

  /** Looks at a rectangle of the plan. */
  fit(box, glide = true) { this.go(this.around(box), glide); }

  /** The point of the plan at a place of the canvas. */
  at(px, py) { return [this.x + (px - this.width / 2) / this.scale, this.y + (py - this.height / 2) / this.scale]; }

  /** The place of a point of the plan on the canvas. */
  place(x, y) { return [(x - this.x) * this.scale + this.width / 2, (y - this.y) * this.scale + this.height / 2]; }

  /** Moves by pixels. */
  pan(dx, dy) { this.look({ x: this.x - dx / this.scale, y: this.y - dy / this.scale, scale: this.scale }); }

  /** Grows by a factor around a place of the canvas. */
  zoom(factor, px = this.width / 2, py = this.height / 2, glide = false) {
    const [x, y] = this.at(px, py);
    const scale = this.bounded(this.scale * factor);
    this.go({ x: x - (px - this.width / 2) / scale, y: y - (py - this.height / 2) / scale, scale }, glide);
  }

  /** Makes sure that a point is well inside, and large enough to be recognised. */
  reveal(x, y, leastScale = 0) {
    const scale = Math.max(this.scale, this.bounded(leastScale));
    const [px, py] = this.place(x, y);
    const inside = px > 60 && py > 60 && px < this.width - 60 && py < this.height - 60;
    if (!inside || scale !== this.scale) this.go({ x, y, scale }, true);
  }

  bounded(scale) {
    const least = this.whole().scale * 0.7;
    return Math.min(Math.max(LARGEST_SEAT_PX / this.seat, least), Math.max(least, scale));
  }

  go(to, glide) {
    cancelAnimationFrame(this.gliding);
    if (!glide || this.still.matches) return this.look(to);
    const from = { x: this.x, y: this.y, scale: this.scale };
    const began = performance.now();
    const step = (time) => {
      const part = Math.min(1, Math.max(0, (time - began) / GLIDE_MS));
      const eased = 1 - (1 - part) ** 3;
      const scale = from.scale * (to.scale / from.scale) ** eased;
      // Straight on the screen, not in the plan: the way there does not swing out.
      const moved = to.scale === from.scale ? eased : (1 / from.scale - 1 / scale) / (1 / from.scale - 1 / to.scale);
      this.look({ x: from.x + (to.x - from.x) * moved, y: from.y + (to.y - from.y) * moved, scale });
      if (part < 1) this.gliding = requestAnimationFrame(step);
    };
    this.gliding = requestAnimationFrame(step);
  }

  // Part of the plan always stays in sight.
  look({ x, y, scale }) {
    this.scale = this.bounded(scale);
    const { left, top, right, bottom } = this.box;
    this.x = Math.min(right, Math.max(left, x));
    this.y = Math.min(bottom, Math.max(top, y));
    this.changed();
  }
}
