// The same seats for keyboards and screen readers: a grid, of which only the row
// one is in exists. The focus moves from seat to seat and every seat says what it
// is; the map shows a ring around it and follows.

import { el } from "../dom.js";

const HELP = "Seats. Arrow keys move along rows and between them, Home and End to the ends of a row, " +
  "Page up and Page down between sections, F to the next free seat. Space or Enter chooses. Plus and minus zoom.";

export class Rows {
  /** `on.focus(i)`, `on.pick(i)`, `on.zoom(factor)`, `on.blur()`; `say(i)`: a seat in words; `chosen(i)`. */
  constructor(seats, say, chosen, on) {
    Object.assign(this, { seats, say, chosen, on, current: 0, shownRow: -1 });
    this.element = el("div", { class: "rows", role: "grid", "aria-label": HELP, "aria-rowcount": seats.rows.length, "aria-multiselectable": "true" });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("focusin", (event) => {
      const i = Number(event.target.dataset.seat);
      if (Number.isInteger(i)) { this.current = i; this.roving(); on.focus(i); }
    });
    this.element.addEventListener("focusout", (event) => { if (!this.element.contains(event.relatedTarget)) on.blur(); });
    // A screen reader's own "click" arrives as one.
    this.element.addEventListener("click", (event) => {
      const i = Number(event.target.dataset.seat);
      if (Number.isInteger(i)) on.pick(i);
    });
    if (seats.count) this.show(0);
  }

  /** Begins somewhere else, such as at a section; takes the focus if asked. */
  begin(i, focus) {
    this.show(i);
    if (focus) this.cell(i)?.focus({ preventScroll: true });
  }

  /** Seats changed: says so where they are shown. */
  update() {
    for (const cell of this.element.querySelectorAll("[data-seat]")) this.word(cell, Number(cell.dataset.seat));
  }

  cell(i) { return this.element.querySelector(`[data-seat="${i}"]`); }

  word(cell, i) {
    const text = this.say(i);
    if (cell.textContent !== text) cell.textContent = text;
    cell.setAttribute("aria-selected", this.chosen(i));
  }

  roving() {
    for (const cell of this.element.querySelectorAll("[data-seat]")) cell.tabIndex = Number(cell.dataset.seat) === this.current ? 0 : -1;
  }

  show(i) {
    this.current = i;
    const index = this.seats.row[i];
    if (index !== this.shownRow) {
      const row = this.seats.rows[index];
      const cells = Array.from({ length: row.count }, (_, n) => {
        const cell = el("div", { role: "gridcell", "aria-colindex": n + 1, tabIndex: -1 });
        cell.dataset.seat = row.first + n;
        this.word(cell, row.first + n);
        return cell;
      });
      this.element.replaceChildren(el("div", { role: "row", "aria-rowindex": index + 1 }, cells));
      this.shownRow = index;
    }
    this.roving();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { seats, current } = this;
    const row = seats.rows[seats.row[current]];
    const zone = row.zone;
    const zoneBegin = (index) => seats.zones[index]?.first ?? -1;
    const to = {
      ArrowLeft: () => (current > row.first ? current - 1 : -1),
      ArrowRight: () => (current < row.first + row.count - 1 ? current + 1 : -1),
      ArrowUp: () => seats.beyond(current, -1),
      ArrowDown: () => seats.beyond(current, 1),
      Home: () => row.first,
      End: () => row.first + row.count - 1,
      PageUp: () => zoneBegin(zone - 1),
      PageDown: () => zoneBegin(zone + 1),
      f: () => this.nextFree(),
    }[event.key];
    if (to) {
      const i = to();
      if (i >= 0 && i < seats.count) this.begin(i, true);
    } else if (event.key === " " || event.key === "Enter") this.on.pick(current);
    else if (event.key === "+" || event.key === "=") this.on.zoom(1.5);
    else if (event.key === "-") this.on.zoom(1 / 1.5);
    else return;
    event.preventDefault();
  }

  nextFree() {
    for (let n = 1; n <= this.seats.count; n++) {
      const i = (this.current + n) % this.seats.count;
      if (!this.seats.state[i] && !this.chosen(i)) return i;
    }
    return -1;
  }
}
