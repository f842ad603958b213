const DATE_TIME =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(\.\d+)?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/i;

/** The milliseconds that a Date may lie from 1970-01-01, before or after. */
const FARTHEST = 8.64e15;

/**
 * Days from 1970-01-01 to the first of a month in the proleptic Gregorian calendar, whose years begin in March here (Howard
 * Hinnant, "chrono-compatible low-level date algorithms"). Month 13 is the January of the next year.
 */
function firstOf(year: number, month: number): number {
  const years = year + Math.floor((month - 3) / 12);
  const leapDays = Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400);
  return years * 365 + leapDays + Math.floor((153 * ((month + 9) % 12) + 2) / 5) - 719_468;
}

/**
 * The epoch milliseconds of an RFC 3339 date-time with zone, or of integer epoch milliseconds; undefined for anything
 * else: a day that does not exist, an hour 24, a leap second. Fractions are cut to milliseconds.
 */
export function instant(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) <= FARTHEST ? value : undefined;
  const match = typeof value === 'string' ? DATE_TIME.exec(value) : null;
  if (match === null) return undefined;
  const part = (index: number): number => Number(match[index] ?? 0);
  const days = firstOf(part(1), part(2)) + part(3) - 1;
  if (days >= firstOf(part(1), part(2) + 1)) return undefined;
  const zone = (part(9) * 60 + part(10)) * (match[8] === '-' ? -1 : 1);
  const minutes = (days * 24 + part(4)) * 60 + part(5) - zone;
  return (minutes * 60 + part(6)) * 1000 + Number(`${match[7] ?? '.'}000`.slice(1, 4));
}
