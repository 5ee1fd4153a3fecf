// Money, times and counts as people read them. Times are those of the venue,
// whatever clock the reader's own machine shows.

// The page is in English; readers of another English get their own habits.
export const LOCALE = navigator.language.startsWith("en") ? navigator.language : "en-GB";
const OWN_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const kept = new Map();
function formatter(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!kept.has(key)) kept.set(key, new kind(LOCALE, options));
  return kept.get(key);
}

/** Minor units of a currency, as a price. */
export function money(minor, currency) {
  const format = formatter(Intl.NumberFormat, { style: "currency", currency });
  return format.format(minor / 10 ** minorDigits(currency));
}

/** How many digits a currency has behind the point: 2 for most, 0 for yen. */
export function minorDigits(currency) {
  return formatter(Intl.NumberFormat, { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
}

export const count = (number) => formatter(Intl.NumberFormat, {}).format(number);
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

const at = (performance, options) =>
  formatter(Intl.DateTimeFormat, { timeZone: performance.time_zone, ...options }).format(new Date(performance.starts_at));

/** `Tue, 24 Nov 2026` */
export const day = (performance) => at(performance, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
/** `20:15` */
export const hour = (performance) => at(performance, { hour: "2-digit", minute: "2-digit" });
/** `Tuesday 24 November 2026 at 20:15` */
export const evening = (performance) => at(performance, { dateStyle: "full", timeStyle: "short" });
/** The parts of a calendar leaf. */
export const leaf = (performance) => ({
  weekday: at(performance, { weekday: "short" }), day: at(performance, { day: "numeric" }), month: at(performance, { month: "short" }),
});

/** Says whose clock it is, where the reader's own differs at that moment. */
export function zoneNote(performance) {
  const other = { ...performance, time_zone: OWN_ZONE };
  if (evening(other) === evening(performance)) return "";
  return `local time in ${performance.location}`;
}

/** A moment, in the reader's own time. */
export const moment = (time) => formatter(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" }).format(new Date(time));

/** Seconds as `9:58`. */
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

/** An age in words. */
export function age(seconds) {
  if (seconds < 90) return many(Math.round(seconds), "second");
  if (seconds < 5400) return many(Math.round(seconds / 60), "minute");
  return many(Math.round(seconds / 3600), "hour");
}

/** The moment at which a clock in `zone` shows `local` (`2026-11-24T20:15`), as RFC 3339 in UTC. */
export function instant(local, zone) {
  const wanted = Date.parse(`${local}:00Z`);
  const parts = formatter(Intl.DateTimeFormat, { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  const shown = (time) => {
    const part = Object.fromEntries(parts.formatToParts(time).map(({ type, value }) => [type, value]));
    return Date.parse(`${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:00Z`);
  };
  // Twice: the first guess may lie on the other side of a change of the clocks.
  let time = wanted;
  for (let i = 0; i < 2; i++) time += wanted - shown(time);
  return new Date(time).toISOString();
}
