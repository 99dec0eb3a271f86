/** How long it is until a moment, in words, and when the words change. */
export interface Left {
  words: string;
  /** Milliseconds from now; null where they no longer do. */
  next: number | null;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** In hours as long as there are many: then the words change, and the page wakes, once an hour. */
export function left(until: number, now: number): Left {
  const ahead = until - now;
  if (ahead <= 0) return { words: "", next: null };
  if (ahead >= 2 * HOUR) {
    const hours = Math.floor(ahead / HOUR);
    return { words: `dans plus de ${hours}\u00a0heures`, next: ahead - hours * HOUR + 1 };
  }
  // Rounded up: what is left is not more than what is said for more than a minute.
  const minutes = Math.ceil(ahead / MINUTE);
  const next = ahead - (minutes - 1) * MINUTE;
  if (minutes === 1) return { words: "dans moins d’une minute", next };
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const clock = hours === 0 ? `${minutes}\u00a0minutes` : `${hours}\u00a0h${rest === 0 ? "" : `\u00a0${String(rest).padStart(2, "0")}`}`;
  return { words: `dans ${clock}`, next };
}
