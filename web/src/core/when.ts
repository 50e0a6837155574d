/** Dates as people read them: in their own zone and language, by Intl. */

/** "Mon, 23 Nov 2026, 14:00 – 15:00"; the end's day only where it differs. */
export function span(beginAt: string, endAt: string, language: string, zone?: string): string {
  const format = new Intl.DateTimeFormat(language, {
    weekday: "short",
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    ...(zone === undefined ? {} : { timeZone: zone }),
  });
  return format.formatRange(new Date(beginAt), new Date(endAt));
}

/** "14:03", for a chat message. */
export function timeOfDay(at: string, language: string, zone?: string): string {
  return new Intl.DateTimeFormat(language, {
    hour: "2-digit",
    minute: "2-digit",
    ...(zone === undefined ? {} : { timeZone: zone }),
  }).format(new Date(at));
}

/** "23 Nov 2026". */
export function day(at: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(at));
}

/** "23 Nov 2026, 14:03". */
export function moment(at: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}
