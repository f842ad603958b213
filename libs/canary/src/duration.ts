/** A length of time as people write it: digits and a unit, such as "90s", "30m", "4h", "2d". */
export type Duration = string;

const SECOND = 1_000;
const DAY = 86_400_000;
const UNITS = new Map([
  ['d', DAY],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', SECOND],
]);
const PATTERN = /^(\d{1,7})([smhd])$/;

/** No rollout, bake or watch may last longer. */
export const LONGEST_DURATION = 365 * DAY;

/** The milliseconds of a duration; undefined for anything that is none, or longer than 365 days. */
export function parseDuration(value: unknown): number | undefined {
  const match = typeof value === 'string' ? PATTERN.exec(value) : null;
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNITS.get(match[2] ?? '') ?? 0);
  return ms <= LONGEST_DURATION ? ms : undefined;
}

/** The milliseconds of a duration of a validated document; 0 for what is none. */
export function milliseconds(duration: Duration): number {
  return parseDuration(duration) ?? 0;
}

/** Milliseconds as a duration, in the largest unit that divides them; parts of a second are cut off. */
export function durationText(ms: number): Duration {
  const whole = Math.max(0, Math.trunc(ms / SECOND)) * SECOND;
  const [unit, length] = [...UNITS].find(([, each]) => whole > 0 && whole % each === 0) ?? ['s', SECOND];
  return `${whole / length}${unit}`;
}
