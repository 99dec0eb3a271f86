/** The time that is left, as a text, and when the text changes. */
export interface Countdown {
  text: string;
  /** Milliseconds until the text changes; null if it no longer does. */
  next: number | null;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Counts in hours while many are left, so that the page wakes up once an hour. Must match `view::panel::left`. */
export function countdown(until: number, now: number): Countdown {
  const left = until - now;
  if (left <= 0) return { text: "", next: null };
  if (left >= 2 * HOUR_MS) {
    const hours = Math.floor(left / HOUR_MS);
    return { text: `dans plus de ${hours}\u00a0heures`, next: left - hours * HOUR_MS + 1 };
  }
  // Rounded up, so that the text is never more than a minute too long.
  const minutes = Math.ceil(left / MINUTE_MS);
  const next = left - (minutes - 1) * MINUTE_MS;
  if (minutes === 1) return { text: "dans moins d’une minute", next };
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const time = hours === 0 ? `${minutes}\u00a0minutes` : `${hours}\u00a0h${rest === 0 ? "" : `\u00a0${String(rest).padStart(2, "0")}`}`;
  return { text: `dans ${time}`, next };
}
