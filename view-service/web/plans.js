// Seating plans, which never change: fetched once, the last few kept.

import { look } from "./api.js";
import { Seats } from "./map/seats.js";

const KEPT = 3;
const plans = new Map();

/** The plan as the API has it. */
export function plan(id) {
  if (!plans.has(id)) {
    const coming = look(`/v1/plans/${encodeURIComponent(id)}`, { anonymous: true });
    coming.catch(() => plans.delete(id));
    plans.set(id, coming);
    if (plans.size > KEPT) plans.delete(plans.keys().next().value);
  }
  return plans.get(id);
}

/** The plan's seats, all free. */
export const planSeats = async (id) => new Seats(await plan(id));
