import { expect, it } from 'vitest';
import { NO_RATIO, addRatio, freshRatio } from '../src/sample-ratio.js';
import { firstOf } from './support/rollout.js';

it('raises no alarm before the canary showed 20 first exposures, however many control showed', () => {
  const before = addRatio(NO_RATIO, firstOf(19), firstOf(10_000), 0, 0.01);
  const still = addRatio(before, firstOf(0), firstOf(10_000), 30_000, 0.01);
  expect([before.alert, still.alert, still.lnE]).toEqual([false, false, 0]);
  const known = addRatio(
    addRatio(still, firstOf(1), firstOf(0), 60_000, 0.01),
    firstOf(0),
    firstOf(10_000),
    90_000,
    0.01,
  );
  expect(known.alert).toBe(true);
});

it('starts anew with an epoch, and remembers how the exposures of one unit hang together', () => {
  const before = addRatio(NO_RATIO, firstOf(600), firstOf(400), 0, 0.5);
  const after = freshRatio(before);
  expect(after.first).toEqual({ canary: 0, baseline: 0 });
  expect(after.groups).toEqual(before.groups);
});
