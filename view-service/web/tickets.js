// Tickets as they are shown at the door: QR code, seat, evening; with a calendar
// file, printing, and giving one or all of them back.

import { el, button, sure, toast, announce, waiting } from "./dom.js";
import { ask } from "./api.js";
import { evening, money, many, zoneNote } from "./format.js";
import { save } from "./calendar.js";
import { poster } from "./poster.js";

// Drawn by the server; kept, because a ticket's code never changes.
const codes = new Map();

async function code(path, place) {
  try {
    if (!codes.has(path)) {
      const { text } = await ask("GET", path, { headers: { Accept: "image/svg+xml" } });
      codes.set(path, URL.createObjectURL(new Blob([text], { type: "image/svg+xml" })));
    }
    place.replaceChildren(el("img", { src: codes.get(path), alt: "QR code of this ticket", width: 132, height: 132 }));
  } catch {
    place.replaceChildren(button("Show the code", () => code(path, place), { class: "quiet" }));
  }
}

/**
 * The tickets of a booking. `seats` (a plan's) is optional and gives seats their names; `show` and `performance`
 * may be null where they are not known any more. `changed(booking)` is called with what a cancel left.
 */
export function tickets({ booking, show, performance, seats, changed }) {
  const path = `/v1/book/${booking.show_id}/${booking.booking_id}`;
  const name = show?.name || booking.show_id;
  const label = (ticket) => (seats ? seats.nameOf(ticket.seat) : ticket.seat);
  const all = booking.tickets || [];
  const valid = all.filter((ticket) => ticket.state === "valid");
  const box = el("div", { class: "tickets stack" });

  const cancel = async (call, question) => {
    if (!(await sure(question))) return;
    const cover = el("div", { class: "cover" }, waiting("Giving it back …"));
    box.append(cover);
    try {
      const { data } = await ask("DELETE", call, { patience: 20_000, again: (problem) => cover.replaceChildren(waiting(
        problem.outcome === "unknown" ? "No answer yet, so we do not know whether it went through. Asking again …" : "A part of the system is away; trying again …")) });
      announce("Cancelled. Your money goes back.");
      changed(data);
    } catch (error) {
      toast(error.message, "bad");
    }
    cover.remove();
  };

  const one = (ticket) => {
    const good = ticket.state === "valid";
    const qr = el("div", { class: "qr" });
    if (good) code(`${path}/tickets/${ticket.ticket_id}/qr`, qr);
    return el("article", { class: `ticket ${good ? "" : "gone"}`, "aria-label": `Ticket: ${label(ticket)}${good ? "" : ", cancelled"}` },
      el("div", { class: "art" }, poster(booking.show_id)),
      el("div", { class: "about" },
        el("b", { class: "title" }, name),
        performance && el("span", {}, evening(performance), " ", el("small", {}, zoneNote(performance))),
        performance && el("span", { class: "soft" }, `${performance.venue}, ${performance.location}`),
        el("b", { class: "seat" }, label(ticket)), el("span", {}, `${ticket.tier} · ${money(ticket.price, booking.currency)}`),
        good ? button("Cancel this ticket", () => cancel(`${path}/tickets/${ticket.ticket_id}`, {
          title: "Cancel this ticket?", text: `${label(ticket)}: ${money(ticket.price, booking.currency)} goes back to you, and the seat is free for others.`, yes: "Cancel it" }), { class: "quiet cancel" })
          : el("span", { class: "stamp" }, "Cancelled")),
      good && el("div", { class: "stub" }, qr, el("code", {}, ticket.code)));
  };

  box.append(...all.map(one));
  if (valid.length) box.append(el("div", { class: "row" },
    performance && button("Add to calendar", () => save({ booking, name, performance, seats: valid.map(label) }), { id: "calendar" }),
    button("Print", () => window.print()),
    button(valid.length > 1 ? `Cancel all ${many(valid.length, "ticket")}` : "Cancel the booking", () => cancel(path, {
      title: "Cancel the whole booking?", text: `${many(valid.length, "ticket")}, ${money(booking.amount, booking.currency)} goes back to you.`, yes: "Cancel all" }), { class: "quiet cancel-all" })));
  return box;
}
