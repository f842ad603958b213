import { DAYS } from './plan.js';
import type { CalendarGate } from './plan.js';

const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;

/** The minutes after midnight of "HH:MM"; undefined for anything else. */
export function minutesOf(time: unknown): number | undefined {
  const match = typeof time === 'string' ? TIME.exec(time) : null;
  return match === null ? undefined : Number(match[1]) * 60 + Number(match[2]);
}

/** True for an IANA time zone that this runtime knows. */
export function isTimeZone(name: unknown): name is string {
  if (typeof name !== 'string' || name === '') return false;
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The day of the week (0 is Monday) and the minute of the day that clocks in the zone show at an instant. */
function localTime(now: number, timeZone: string): { day: number; minute: number } {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const parts = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]));
  const day = DAYS.findIndex((name) => name === parts['weekday']?.toLowerCase());
  return { day, minute: Number(parts['hour']) * 60 + Number(parts['minute']) };
}

/** True while the calendar's gate is open at an instant (epoch milliseconds). A gate over midnight belongs to the day it began. */
export function isOpen({ days, from, to, timeZone }: CalendarGate, now: number): boolean {
  const { day, minute } = localTime(now, timeZone);
  const start = minutesOf(from) ?? 0;
  const end = minutesOf(to) ?? 0;
  const on = (index: number): boolean => days.some((name) => name === DAYS[(index + 7) % 7]);
  if (start < end) return on(day) && minute >= start && minute < end;
  return (on(day) && minute >= start) || (on(day - 1) && minute < end);
}
