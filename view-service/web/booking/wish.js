// One Idempotency-Key for one wish. It is kept until the answer is final, over a
// reload too: whoever asks again for the same gets the same booking, not another.

import { ask, freshKey } from "../api.js";

const place = (name) => `seatlock.wish.${name}`;

/** Sends a POST for a wish called `name`, under its key. As `ask`, with its options. */
export async function wish(name, path, body, options) {
  const text = JSON.stringify(body);
  let kept = JSON.parse(sessionStorage.getItem(place(name)) || "null");
  if (kept?.text !== text) kept = { text, key: freshKey() };
  sessionStorage.setItem(place(name), JSON.stringify(kept));
  try {
    const answer = await ask("POST", path, { ...options, body: text, key: kept.key });
    if (answer.status !== 202) sessionStorage.removeItem(place(name));
    return answer;
  } catch (refusal) {
    // With `same_request` the last word has not been spoken.
    if (refusal.problem?.retry !== "same_request") sessionStorage.removeItem(place(name));
    throw refusal;
  }
}

const HELD = "seatlock.hold";
const listeners = new Set();

/** The hold that is running in this tab, or null. */
export function running() {
  const held = JSON.parse(sessionStorage.getItem(HELD) || "null");
  return held && new Date(held.expires_at) > Date.now() ? held : null;
}

/** Remembers a booking as the one that is running; null forgets it. */
export function remember(booking) {
  if (booking) {
    const { show_id, performance_id, booking_id, expires_at, state } = booking;
    sessionStorage.setItem(HELD, JSON.stringify({ show_id, performance_id, booking_id, expires_at, state }));
  } else sessionStorage.removeItem(HELD);
  for (const listener of listeners) listener();
}

export const onRunning = (listener) => listeners.add(listener);
