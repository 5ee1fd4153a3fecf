// A calendar file (RFC 5545) for a booking: one event, at its moment in UTC, which
// every calendar shows in its own reader's time; the venue's time is in the words.

import { evening } from "./format.js";
import { download } from "./dom.js";

const escape = (text) => text.replace(/[\\;,]/g, (sign) => `\\${sign}`).replace(/\r?\n/g, "\\n");
const stamp = (time) => new Date(time).toISOString().replace(/[-:]|\.\d+/g, "");

// Lines have at most 75 bytes; longer ones go on after a line break and a blank.
function fold(line) {
  const bytes = new TextEncoder();
  let out = "";
  let length = 0;
  for (const letter of line) {
    const size = bytes.encode(letter).length;
    if (length + size > 74) { out += "\r\n "; length = 1; }
    out += letter;
    length += size;
  }
  return out;
}

/** The file's text. `seats`: what is written on the seats. */
export function calendar({ booking, name, performance, seats }) {
  const where = `${performance.venue}, ${performance.location}`;
  return ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Seatlock//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH",
    "BEGIN:VEVENT", `UID:${booking.booking_id}@seatlock`, `DTSTAMP:${stamp(Date.now())}`, `DTSTART:${stamp(performance.starts_at)}`,
    `SUMMARY:${escape(name)}`, `LOCATION:${escape(where)}`,
    `DESCRIPTION:${escape(`${evening(performance)} (${performance.time_zone})\n${seats.join("\n")}`)}`,
    "TRANSP:OPAQUE", "END:VEVENT", "END:VCALENDAR", ""].map(fold).join("\r\n");
}

export const save = (what) => download(`${what.booking.show_id}.ics`, "text/calendar;charset=utf-8", calendar(what));
