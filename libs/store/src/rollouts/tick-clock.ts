import { milliseconds } from '@fledge/canary';
import type { RolloutRow } from '../entities/rollout.entity.js';
import { READ_AFTER_MS } from '../telemetry/windows.js';

/** Never further ahead than the claim looks back for clocks that were set back. */
const LONGEST_SLEEP_MS = 110_000;

/** The first instant after `after` at which another window can be read. */
function nextReading({ plan }: Pick<RolloutRow, 'plan'>, after: Date): number {
  const windowMs = milliseconds(plan.window);
  const ended = Math.floor((after.getTime() - READ_AFTER_MS) / windowMs) + 1;
  return ended * windowMs + READ_AFTER_MS;
}

/** When to look next: as soon as another window can be read. */
export const nextCheck = (rollout: Pick<RolloutRow, 'plan'>, now: Date): Date =>
  new Date(Math.min(nextReading(rollout, now), now.getTime() + LONGEST_SLEEP_MS));

/** When to look again at one that waits for its date. */
export const checkBeforeStart = (startAt: Date, now: Date): Date =>
  new Date(Math.min(startAt.getTime(), now.getTime() + LONGEST_SLEEP_MS));

/** Whether a window can have ended since the last tick: a look in between, because somebody has asked for one, is no tick. */
export const isTick = (rollout: RolloutRow, now: Date): boolean =>
  rollout.lastTickAt === null || now < rollout.lastTickAt || now.getTime() >= nextReading(rollout, rollout.lastTickAt);

/** How long to leave a rollout alone whose tick has failed so often in a row. */
export const backOffMs = (failures: number): number => Math.min(1_000 * 2 ** failures, 60_000);
