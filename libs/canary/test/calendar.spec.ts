import { isOpen, isTimeZone } from '@fledge/canary';
import type { CalendarGate } from '@fledge/canary';
import { expect, it } from 'vitest';

const berlin: CalendarGate = {
  type: 'window',
  days: ['mon', 'tue'],
  from: '09:00',
  to: '16:00',
  timeZone: 'Europe/Berlin',
};
const at = (text: string): number => Date.parse(text);

it('opens on its days from the first minute to before the last, by the clocks of its zone', () => {
  expect(isOpen(berlin, at('2026-11-23T07:59:59Z'))).toBe(false);
  expect(isOpen(berlin, at('2026-11-23T08:00:00Z'))).toBe(true);
  expect(isOpen(berlin, at('2026-11-24T14:59:59Z'))).toBe(true);
  expect(isOpen(berlin, at('2026-11-24T15:00:00Z'))).toBe(false);
  expect(isOpen(berlin, at('2026-11-25T10:00:00Z'))).toBe(false);
});

it('follows the zone through a change of its clocks', () => {
  expect(isOpen(berlin, at('2026-03-30T07:00:00Z'))).toBe(true);
  expect(isOpen(berlin, at('2026-03-23T07:00:00Z'))).toBe(false);
});

it('never opens in an hour that the clocks leave out, and twice in one that they repeat', () => {
  const early: CalendarGate = { ...berlin, days: ['sun'], from: '02:00', to: '03:00' };
  const minutesOpen = (day: string): number =>
    10 * Array.from({ length: 30 }, (_, ten) => isOpen(early, at(day) + ten * 600_000)).filter(Boolean).length;
  expect(['2026-03-22T00:00Z', '2026-03-29T00:00Z', '2026-10-25T00:00Z'].map(minutesOpen)).toEqual([60, 0, 120]);
});

it('reaches over midnight into the day after', () => {
  const night: CalendarGate = { ...berlin, days: ['sun'], from: '22:00', to: '04:00', timeZone: 'UTC' };
  expect(isOpen(night, at('2026-11-22T21:59:00Z'))).toBe(false);
  expect(isOpen(night, at('2026-11-22T22:00:00Z'))).toBe(true);
  expect(isOpen(night, at('2026-11-23T03:59:00Z'))).toBe(true);
  expect(isOpen(night, at('2026-11-23T04:00:00Z'))).toBe(false);
  expect(isOpen(night, at('2026-11-22T03:00:00Z'))).toBe(false);
});

it('knows time zones from other words', () => {
  expect(['Europe/Berlin', 'UTC', 'America/New_York', 'Mars/Olympus', '', 1].map(isTimeZone)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
