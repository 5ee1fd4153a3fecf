// One customer at one performance: from choosing over a hold to tickets. It knows
// what is true of the booking and asks until it knows; what is shown follows.

import { el, button, toast, announce, waiting } from "../dom.js";
import { ask, look, pause, Refusal } from "../api.js";
import { needLogin, token } from "../account.js";
import { money, many } from "../format.js";
import { words, list } from "../words.js";
import { FREE } from "../map/seats.js";
import { wish, remember, running } from "./wish.js";
import { choosing, hindrance } from "./choose.js";
import { holding, itemList } from "./held.js";
import { tickets } from "../tickets.js";

const POLL_MS = 700;

export class Sale {
  /** `panel`: where it shows itself; `dock`: the bar at the bottom of small screens. */
  constructor({ show, performance, seats, map, panel, dock }) {
    Object.assign(this, { performed: show, performance, seats, map, panel, dock, booking: null, busy: false, ended: false });
    this.notice = el("div", { class: "notices", role: "alert" });
    this.body = el("div", { class: "stack" });
    panel.replaceChildren(this.notice, this.body);
    this.choose();
    this.resume();
  }

  end() { this.ended = true; this.part?.end?.(); }

  get path() { return `/v1/book/${this.booking.show_id}/${this.booking.booking_id}`; }
  name = (guid) => this.seats.nameOf(guid);

  // A reload in the middle loses nothing.
  async resume() {
    const held = running();
    if (!held || !token() || held.performance_id !== this.performance.performance_id) return;
    try {
      this.accept(await look(`/v1/book/${held.show_id}/${held.booking_id}`));
      if (this.booking.state === "pending") this.run(() => this.untilKnown());
    } catch (error) {
      if (["hold_expired", "not_found"].includes(error.code)) { remember(null); this.say(error.message, "bad"); }
    }
  }

  say(text, kind = "") {
    this.notice.replaceChildren();
    if (text) this.notice.append(el("p", { class: `notice ${kind}` }, text));
  }

  // --- choosing ---------------------------------------------------------------

  /** A seat was pressed on the map. */
  pick(i) {
    if (this.busy || this.ended) return;
    if (this.booking?.state === "held" || this.booking?.state === "pending") return toast("Pay for what you hold, or give it back, before choosing others.");
    if (this.booking) this.anew();
    const { map, seats } = this;
    if (map.chosen.delete(i)) announce(`${seats.label(i)} is not chosen any more.`);
    else {
      const why = hindrance(seats, map, i);
      if (why) return toast(why);
      map.chosen.add(i);
      announce(`${seats.label(i)} is chosen, ${many(map.chosen.size, "seat")}.`);
    }
    this.say("");
    map.repaint();
    this.sum();
  }

  /** Seats changed on the map: some may have been chosen here. */
  seatsChanged() {
    if (!this.busy) this.dropTaken("has just been taken");
    if (!this.booking) this.sum();
  }

  dropTaken(what) {
    const gone = [...this.map.chosen].filter((i) => this.seats.state[i] !== FREE && !this.map.mine.has(i));
    if (!gone.length) return;
    for (const i of gone) this.map.chosen.delete(i);
    this.map.pulse(gone);
    this.map.repaint();
    this.say(`${list(gone.map((i) => this.seats.label(i)))} ${gone.length > 1 ? what.replace("has", "have") : what} by somebody else.`, "bad");
    this.sum();
  }

  choose() {
    this.part?.end?.();
    this.booking = null;
    this.part = choosing({ ...this, hold: (body) => this.hold(body) });
    this.body.replaceChildren(this.part.element);
    this.sum();
  }

  sum() {
    if (this.booking || !this.part?.update) return;
    const { picked, sum, currency } = this.part.update();
    this.bar(picked ? `${many(picked, "seat")} · ${money(sum, currency)}` : "Choose seats, or take the best", picked ? "Continue" : "Best seats");
  }

  bar(text, action) {
    this.dock.replaceChildren(el("span", {}, text), action && button(action, () => this.panel.scrollIntoView({ behavior: this.map.camera.still.matches ? "auto" : "smooth" }), { class: "primary" }));
  }

  anew() {
    this.map.mine.clear();
    remember(null);
    this.say("");
    this.choose();
    this.map.repaint();
  }

  // --- asking -----------------------------------------------------------------

  // One thing at a time; the panel says what is being done.
  async run(work, text) {
    if (this.busy) return;
    this.busy = true;
    this.say("");
    this.panel.setAttribute("aria-busy", "true");
    const cover = el("div", { class: "cover" }, waiting(text));
    this.panel.append(cover);
    this.progress = (words) => { cover.replaceChildren(waiting(words)); };
    try { await work(); } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      this.refused(error);
    } finally {
      this.busy = false;
      cover.remove();
      this.panel.removeAttribute("aria-busy");
      if (!this.booking) this.dropTaken("has just been taken");
    }
  }

  // What is said while the same request is sent again.
  again = (problem) => this.progress(problem.outcome === "unknown"
    ? "No answer yet, so we do not know whether it went through. Asking again; it cannot happen twice …"
    : "A part of the system is away. Nothing was changed; trying again …");

  refused(error) {
    const text = error instanceof Refusal ? words(error.problem, this.name) : `Something went wrong: ${error.message}`;
    if (error.code === "seat_taken") {
      const gone = error.problem.conflicts.map((one) => this.seats.byGuid.get(one.seat)).filter((i) => i !== undefined);
      // The answer is newer than the map.
      this.map.changed(this.seats.change(Object.fromEntries(error.problem.conflicts.map((one) => [one.seat, one.state]))));
      for (const i of gone) this.map.chosen.delete(i);
      this.map.pulse(gone);
      this.map.repaint();
      this.sum();
    }
    if (error.code === "hold_expired") this.lost();
    this.say(text, "bad");
  }

  // The hold is gone.
  lost() {
    remember(null);
    this.map.mine.clear();
    this.choose();
    this.map.repaint();
  }

  accept(booking) {
    const was = this.booking?.state;
    this.booking = booking;
    const valid = booking.tickets ? booking.tickets.filter((ticket) => ticket.state === "valid").map((ticket) => ticket.seat) : booking.seats;
    this.map.chosen.clear();
    this.map.mine = new Set(booking.state === "cancelled" ? [] : valid.map((guid) => this.seats.byGuid.get(guid)).filter((i) => i !== undefined));
    remember(["held", "pending"].includes(booking.state) ? booking : null);
    this.map.repaint();
    this.show();
    if (was !== booking.state) this.panel.querySelector("h2")?.focus({ preventScroll: true });
  }

  async hold(body) {
    if (!(await needLogin())) return;
    await this.run(async () => {
      const { data } = await wish(`hold.${this.performance.performance_id}`, `/v1/book/${this.performed.show_id}`, body, { again: this.again, patience: 20_000 });
      this.accept(data);
      this.map.show([...this.map.mine]);
      announce(`${many(data.seats.length, "seat is", "seats are")} held for you.`);
    }, "Holding your seats …");
  }

  pay(card) {
    return this.run(async () => {
      const confirm = `${this.path}/confirm`;
      try {
        const { status, data } = await wish(`confirm.${this.booking.booking_id}`, confirm, { payment_token: card }, { again: this.again, patience: 12_000 });
        if (status === 202) return await this.untilKnown();
        this.paid(data);
      } catch (error) {
        if (!(error instanceof Refusal) || error.problem.retry !== "same_request") throw error;
        // Nobody said whether it went through: the booking itself knows.
        await this.untilKnown(error);
      }
    }, "Paying …");
  }

  // Asks for the booking until it is not open any more what became of it.
  async untilKnown(unanswered) {
    for (let asked = 0; !this.ended; asked++) {
      this.progress(asked < 3 ? "Your payment is being confirmed …" : "We do not know yet whether it went through. Still asking; you may also close this page and look under My bookings later.");
      try {
        const booking = await look(this.path, { patience: 0 });
        if (booking.state === "confirmed") return this.paid(booking);
        if (booking.state === "held") {
          this.accept(booking);
          return this.say(unanswered?.unknown ? "The bank did not answer, and nothing was charged. Your seats are still held: try again, or another card." : "It did not go through, and nothing was charged. Your seats are still held: please try again.", "bad");
        }
        if (booking.state === "cancelled") return this.accept(booking);
      } catch (error) {
        if (!(error instanceof Refusal) || error.problem.retry !== "same_request") throw error;
      }
      await pause(POLL_MS);
    }
  }

  paid(booking) {
    this.accept(booking);
    announce("Paid. Here are your tickets.");
  }

  extend() {
    return this.run(async () => {
      const before = this.booking.expires_at;
      const { data } = await ask("POST", `${this.path}/extend`, { body: {}, key: crypto.randomUUID(), again: this.again });
      this.accept(data);
      this.say(data.expires_at > before ? "You have more time now." : "This is as long as a hold can last.");
    }, "One moment …");
  }

  giveBack() {
    return this.run(async () => {
      await ask("DELETE", this.path, { again: this.again });
      this.anew();
      toast("Your seats are free for others again.");
    }, "Giving your seats back …");
  }

  // --- showing ----------------------------------------------------------------

  show() {
    const { booking } = this;
    this.part?.end?.();
    if (booking.state === "held") {
      this.part = holding({ booking, seats: this.seats, on: {
        pay: (card) => this.pay(card), extend: () => this.extend(), giveBack: () => this.giveBack(),
        over: () => { if (!this.busy) { this.lost(); this.say(words({ code: "hold_expired" }), "bad"); } },
      } });
      this.bar(`${many(booking.seats.length, "seat")} held · ${money(booking.amount, booking.currency)}`, "Pay");
    } else if (booking.state === "pending") {
      this.part = { element: el("div", { class: "stack" }, el("h2", { tabIndex: -1 }, "Being confirmed"), itemList(booking, this.seats)) };
      this.bar("Your booking is being confirmed", "Look");
    } else {
      const gone = booking.state === "cancelled";
      this.part = { element: el("div", { class: "stack" },
        el("h2", { tabIndex: -1 }, gone ? "Cancelled" : "You are going!"),
        gone && el("p", {}, "Your money goes back, and the seats are free for others."),
        tickets({ booking, show: this.performed, performance: this.performance, seats: this.seats, changed: (now) => this.accept(now) }),
        button("Book more seats", () => this.anew(), { class: "wide" })) };
      this.bar(gone ? "Cancelled" : "You are going!", "Tickets");
    }
    this.body.replaceChildren(this.part.element);
  }
}
