// One way to ask the API. What may be sent again is sent again, under the same
// Idempotency-Key, as long as the contract says `same_request` and patience lasts;
// so a lost answer never becomes a second booking.

import { token, forget } from "./account.js";
import { words } from "./words.js";

/** An answer that is a problem, or none at all (`no_answer`). */
export class Refusal extends Error {
  constructor(problem) {
    super(words(problem));
    this.problem = problem;
  }
  get code() { return this.problem.code; }
  /** Whether it may have happened all the same. */
  get unknown() { return this.problem.outcome === "unknown"; }
}

const ANSWER_WITHIN_MS = 20_000;
const LONGEST_PAUSE_MS = 3000;

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
export const freshKey = () => crypto.randomUUID();

// The servers' clock less ours: deadlines are theirs.
let skew = 0;
/** What time it is for the servers, in ms. */
export const now = () => Date.now() + skew;

async function once(method, path, { body, headers }) {
  const sent = Date.now();
  let answer;
  let text;
  try {
    answer = await fetch(path, { method, headers, body, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    text = answer.status === 304 ? "" : await answer.text();
  } catch {
    return { refused: { code: "no_answer", retry: "same_request", outcome: method === "GET" ? "not_applied" : "unknown" } };
  }
  const told = Date.parse(answer.headers.get("Date"));
  // Whole seconds only: a smaller difference than that says nothing.
  if (told && Math.abs(told + 500 - sent) > 1500) skew = told + 500 - (sent + Date.now()) / 2;
  else if (told) skew = 0;
  let data = null;
  try { data = text ? JSON.parse(text) : null; } catch { data = null; }
  if (answer.ok || answer.status === 304) return { answer, data, text };
  const problem = data?.code ? data : { code: "no_answer", retry: "same_request", outcome: "unknown" };
  return { refused: { ...problem, status: answer.status }, after: Number(answer.headers.get("Retry-After") || 0) * 1000 };
}

/**
 * Asks, and gives `{status, data, headers}`; throws a `Refusal`.
 * `key`: the Idempotency-Key, which makes a POST safe to repeat.
 * `patience`: for how many ms it is sent again. `again(problem, times)` is called before each repetition.
 */
export async function ask(method, path, { body, key, headers = {}, patience = 12_000, again, anonymous } = {}) {
  const all = { ...headers };
  if (body !== undefined) all["Content-Type"] = "application/json";
  if (key) all["Idempotency-Key"] = key;
  const bearer = !anonymous && token();
  if (bearer) all.Authorization = `Bearer ${bearer}`;
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const repeatable = method === "GET" || method === "DELETE" || Boolean(key);
  const until = Date.now() + patience;
  for (let times = 1; ; times++) {
    const { answer, data, text: raw, refused, after } = await once(method, path, { body: text, headers: all });
    if (answer) return { status: answer.status, data, text: raw, headers: answer.headers };
    if (refused.status === 401 && bearer) forget();
    const wait = Math.min(LONGEST_PAUSE_MS, Math.max(after || 0, 250 * 2 ** Math.min(times, 4)));
    const passing = refused.retry === "same_request" && refused.code !== "not_on_sale";
    if (!repeatable || !passing || Date.now() + wait > until) throw new Refusal(refused);
    again?.(refused, times);
    await pause(wait);
  }
}

/** The answer's body to a GET. */
export const look = async (path, options) => (await ask("GET", path, options)).data;
