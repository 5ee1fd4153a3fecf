// A seating plan as flat arrays, so that tens of thousands of seats are walked
// without touching an object; and a grid over them that finds those in a rectangle.

export const FREE = 0, HELD = 1, SOLD = 2;
export const ACCESSIBLE = 1, COMPANION = 2, RESTRICTED = 4;
const STATES = { free: FREE, held: HELD, sold: SOLD };

/** A plan in the pretix format, with Seatlock's `x-seatlock` block. */
export class Seats {
  constructor(plan) {
    this.name = plan.name;
    this.tiers = plan.categories.map((category) => category.name);
    const tierIndex = new Map(this.tiers.map((name, index) => [name, index]));
    const rows = plan.zones.flatMap((zone) => zone.rows);
    this.count = rows.reduce((sum, row) => sum + row.seats.length, 0);
    const n = this.count;
    Object.assign(this, {
      x: new Float32Array(n), y: new Float32Array(n), r: new Float32Array(n),
      tier: new Uint8Array(n), marks: new Uint8Array(n), state: new Uint8Array(n), row: new Uint32Array(n),
      guid: new Array(n), number: new Array(n), rows: [], zones: [], areas: [], byGuid: new Map(),
    });
    const marked = plan["x-seatlock"]?.seats || {};
    let i = 0;
    for (const zone of plan.zones) {
      const place = { name: zone.name || "", firstRow: this.rows.length, first: i };
      for (const area of zone.areas || []) this.areas.push({ ...area, at: sum(zone.position, area.position) });
      for (const row of zone.rows) {
        const first = i;
        for (const seat of row.seats) {
          const at = sum(sum(zone.position, row.position), seat.position);
          this.x[i] = at.x;
          this.y[i] = at.y;
          this.r[i] = seat.radius || 10;
          this.tier[i] = tierIndex.get(seat.category) ?? 0;
          const mark = marked[seat.seat_guid] || {};
          this.marks[i] = (mark.accessible || seat.wheelchair ? ACCESSIBLE : 0) | (mark.companion ? COMPANION : 0) | (mark.restricted_view ? RESTRICTED : 0);
          this.row[i] = this.rows.length;
          this.guid[i] = seat.seat_guid;
          this.number[i] = seat.seat_number;
          this.byGuid.set(seat.seat_guid, i);
          i++;
        }
        this.rows.push({ zone: this.zones.length, number: row.row_number, first, count: i - first,
          label: row.row_label || "Row %s", seatLabel: row.seat_label || "Seat %s", position: row.row_number_position });
        this.fitRadii(first, i);
      }
      place.count = i - place.first;
      place.rows = this.rows.length - place.firstRow;
      place.box = this.boxOf(place.first, i);
      this.zones.push(place);
    }
    this.hasAccessible = this.marks.some((mark) => mark & ACCESSIBLE);
    this.box = this.boxOf(0, n);
    for (const area of this.areas) grow(this.box, area);
    this.index();
  }

  // Seats of a row never overlap, whatever radius the plan draws them with.
  fitRadii(first, end) {
    let least = Infinity;
    for (let i = first + 1; i < end; i++) least = Math.min(least, Math.hypot(this.x[i] - this.x[i - 1], this.y[i] - this.y[i - 1]) || Infinity);
    for (let i = first; i < end; i++) this.r[i] = Math.min(this.r[i], least * 0.42);
  }

  boxOf(first, end) {
    const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (let i = first; i < end; i++) include(box, this.x[i] - this.r[i], this.y[i] - this.r[i], this.x[i] + this.r[i], this.y[i] + this.r[i]);
    return box;
  }

  // Cells of about twenty seats: seats by cell in one array, and where each cell begins.
  index() {
    const { left, top, right, bottom } = this.box;
    const cells = Math.max(1, this.count / 20);
    this.cell = Math.max(1e-6, Math.sqrt(((right - left) * (bottom - top)) / cells) || 1);
    this.columns = Math.max(1, Math.ceil((right - left) / this.cell) + 1);
    this.lines = Math.max(1, Math.ceil((bottom - top) / this.cell) + 1);
    const of = (i) => Math.floor((this.y[i] - top) / this.cell) * this.columns + Math.floor((this.x[i] - left) / this.cell);
    this.starts = new Uint32Array(this.columns * this.lines + 1);
    for (let i = 0; i < this.count; i++) this.starts[of(i) + 1]++;
    for (let c = 1; c < this.starts.length; c++) this.starts[c] += this.starts[c - 1];
    const next = this.starts.slice();
    this.sorted = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i++) this.sorted[next[of(i)]++] = i;
    this.largest = this.r.reduce((most, r) => Math.max(most, r), 0);
    const usual = [...this.r].sort((a, b) => a - b);
    this.usual = usual[usual.length >> 1] || 10;
  }

  /** Calls back with every seat that may be seen in a rectangle of the plan. */
  within(left, top, right, bottom, each) {
    const clamp = (value, most) => Math.min(most, Math.max(0, Math.floor(value)));
    const from = clamp((left - this.largest - this.box.left) / this.cell, this.columns - 1);
    const to = clamp((right + this.largest - this.box.left) / this.cell, this.columns - 1);
    const high = clamp((top - this.largest - this.box.top) / this.cell, this.lines - 1);
    const low = clamp((bottom + this.largest - this.box.top) / this.cell, this.lines - 1);
    for (let line = high; line <= low; line++) {
      // The cells of a line lie behind each other, and so do their seats.
      const end = this.starts[line * this.columns + to + 1];
      for (let s = this.starts[line * this.columns + from]; s < end; s++) each(this.sorted[s]);
    }
  }

  /** The seat at a point, or the nearest no further than `reach` from it; -1 where there is none. */
  nearest(x, y, reach) {
    let best = -1, least = Infinity;
    this.within(x - reach, y - reach, x + reach, y + reach, (i) => {
      const distance = Math.hypot(this.x[i] - x, this.y[i] - y) - this.r[i];
      if (distance < least && distance <= reach) { least = distance; best = i; }
    });
    return best;
  }

  /** The next seat of another row, up (-1) or down (1), the straighter the better; -1 at the edge. */
  beyond(from, direction) {
    let best = -1, least = Infinity;
    for (let i = 0; i < this.count; i++) {
      const ahead = (this.y[i] - this.y[from]) * direction;
      if (ahead < this.r[from] || this.row[i] === this.row[from]) continue;
      const aside = Math.abs(this.x[i] - this.x[from]);
      const cost = ahead + 2.5 * aside;
      if (cost < least) { least = cost; best = i; }
    }
    return best;
  }

  /** Takes a whole map of what is not free; gives the seats that changed. */
  replace(taken) {
    const changed = [];
    for (let i = 0; i < this.count; i++) {
      const state = STATES[taken[this.guid[i]]] ?? FREE;
      if (state !== this.state[i]) { this.state[i] = state; changed.push(i); }
    }
    return changed;
  }

  /** Takes some seats' new states; gives the seats that changed. */
  change(states) {
    const changed = [];
    for (const [guid, state] of Object.entries(states)) {
      const i = this.byGuid.get(guid);
      if (i === undefined || this.state[i] === STATES[state]) continue;
      this.state[i] = STATES[state];
      changed.push(i);
    }
    return changed;
  }

  /** How many seats of each tier are free. */
  freeByTier() {
    const free = new Array(this.tiers.length).fill(0);
    for (let i = 0; i < this.count; i++) if (this.state[i] === FREE) free[this.tier[i]]++;
    return free;
  }

  /** What is written on a seat: `Row C, seat 12`, with the section's name where there are several. */
  label(i) {
    const row = this.rows[this.row[i]];
    const zone = this.zones.length > 1 ? this.zones[row.zone].name : "";
    const seat = row.seatLabel.replace("%s", this.number[i]);
    return [zone, row.label.replace("%s", row.number), seat.charAt(0).toLowerCase() + seat.slice(1)].filter(Boolean).join(", ");
  }

  /** The same for a seat known by its GUID; the GUID itself where the plan has no such seat. */
  nameOf(guid) {
    const i = this.byGuid.get(guid);
    return i === undefined ? guid : this.label(i);
  }

  /** What is special about a seat, in words. */
  special(i) {
    const mark = this.marks[i];
    return [mark & ACCESSIBLE && "wheelchair place", mark & COMPANION && "companion seat", mark & RESTRICTED && "restricted view"].filter(Boolean);
  }
}

const sum = (a, b) => ({ x: a.x + (b?.x || 0), y: a.y + (b?.y || 0) });

function include(box, left, top, right, bottom) {
  box.left = Math.min(box.left, left);
  box.top = Math.min(box.top, top);
  box.right = Math.max(box.right, right);
  box.bottom = Math.max(box.bottom, bottom);
}

// Turned shapes may reach further; a little air around the plan covers that.
function grow(box, { shape, at, rectangle, circle, ellipse, polygon }) {
  if (shape === "rectangle" && rectangle) include(box, at.x, at.y, at.x + rectangle.width, at.y + rectangle.height);
  if (shape === "circle" && circle) include(box, at.x - circle.radius, at.y - circle.radius, at.x + circle.radius, at.y + circle.radius);
  if (shape === "ellipse" && ellipse) include(box, at.x - ellipse.radius.x, at.y - ellipse.radius.y, at.x + ellipse.radius.x, at.y + ellipse.radius.y);
  if (shape === "polygon" && polygon) for (const point of polygon.points) include(box, at.x + point.x, at.y + point.y, at.x + point.x, at.y + point.y);
}
