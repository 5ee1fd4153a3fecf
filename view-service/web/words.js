// What a problem of the API means, said to a person: what happened, what did
// not, and what to do now.

import { moment } from "./format.js";

const WORDS = {
  sold_out: "Not that many seats are left there. Try fewer, or another category.",
  no_adjacent_seats: "There are not that many seats next to each other any more. Fewer seats may work, or allow them to be apart.",
  leaves_single_seat: "That choice would leave a single seat that nobody wants. Please move by one seat.",
  limit_per_customer: "You have as many seats of this performance as one customer may have.",
  hold_expired: "Your hold ran out, and the seats are free for everybody again. Nothing was charged.",
  payment_declined: "The card was declined and nothing was charged. Your seats are still held: try another card.",
  confirm_in_progress: "This booking is being confirmed right now. Please try again in a moment.",
  unauthenticated: "Please log in again.",
  forbidden: "This account may not do that.",
  not_found: "There is no such thing here (any more).",
  payload_too_large: "That is too large.",
  idempotency_key_reused: "Something was mixed up while sending. Please try again.",
  rate_limited: "That was a lot at once. Please wait a moment and try again.",
  unavailable: "A part of the system is away right now. Nothing was changed; please try again in a moment.",
  request_in_flight: "The same request is still being worked on. Please try again in a moment.",
  no_answer: "There is no connection. Please check yours and try again.",
  outcome_unknown: "No answer came, so we do not know yet whether it happened. Trying again is safe: it cannot happen twice.",
  internal: "Something went wrong on our side, and we do not know yet whether it happened. Trying again is safe.",
};

/** A problem in words; `name` turns a seat's GUID into what is written on it. */
export function words(problem, name = (guid) => guid) {
  if (problem.code === "seat_taken" && problem.conflicts?.length) {
    const seats = problem.conflicts.map((conflict) => name(conflict.seat));
    const all = problem.conflicts.length === 1 ? "is" : "are";
    return `Somebody was faster: ${list(seats)} ${all} taken. Nothing was held or charged; please choose another.`;
  }
  if (problem.code === "not_on_sale") {
    const from = problem.on_sale_at && new Date(problem.on_sale_at);
    return from ? `The sale begins on ${moment(from)}.` : "The sale has not begun yet.";
  }
  if (problem.code === "invalid_request" && problem.errors?.length) return problem.errors.map(fault).join("; ");
  return WORDS[problem.code] || problem.detail || problem.title || "Something went wrong.";
}

/** One fault of one field. */
export const fault = ({ field, message }) => `${field.replaceAll("_", " ")} ${message}`;

/** `a, b and c` */
export function list(things) {
  return things.length < 2 ? things.join("") : `${things.slice(0, -1).join(", ")} and ${things.at(-1)}`;
}
