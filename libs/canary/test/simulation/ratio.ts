import { addRatio, freshRatio, NO_RATIO } from '../../src/sample-ratio.js';
import type { RatioEvidence } from '../../src/sample-ratio.js';
import type { First } from '@fledge/canary';
import { randomOf } from './random.js';
import type { Random } from './random.js';

const WINDOWS = 60;
const WINDOW_MS = 30_000;
const GROUPS = 64;

type Counted = { n: number; groups: number[] };

function windows(): Counted[] {
  return Array.from({ length: WINDOWS }, () => ({ n: 0, groups: Array.from({ length: GROUPS }, () => 0) }));
}

/** First exposures of one epoch, by window: every unit is seen `times` times, at once or in windows of their own. */
function exposures(
  units: readonly { place: number; group: number }[],
  share: number,
  { times, loss, atOnce }: Ramp,
  random: Random,
): readonly [First, First][] {
  const canary = windows();
  const baseline = windows();
  for (const { place, group } of units) {
    const arm = place < share ? canary : baseline;
    if (arm === canary && random.uniform() < loss) continue;
    let window = Math.floor(random.uniform() * WINDOWS);
    for (let time = 0; time < times; time++) {
      if (!atOnce) window = Math.floor(random.uniform() * WINDOWS);
      const at = arm[window];
      if (at === undefined) continue;
      at.n++;
      at.groups[group] = (at.groups[group] ?? 0) + 1;
    }
  }
  return canary.map((first, index) => [first, baseline[index] ?? first]);
}

export type Ramp = {
  readonly stages: readonly number[];
  readonly units: number;
  readonly times: number;
  readonly loss: number;
  readonly atOnce: boolean;
};

/** The share of rollouts whose sample ratio raises an alarm in any stage. */
export function ratioAlarms(ramp: Ramp, runs: number, seed: number): number {
  const { stages, units } = ramp;
  let alarms = 0;
  for (let run = 0; run < runs; run++) {
    const random = randomOf(seed + run);
    const people = Array.from({ length: units }, () => ({
      place: random.uniform(),
      group: Math.floor(random.uniform() * GROUPS),
    }));
    let evidence: RatioEvidence = NO_RATIO;
    const alarmed = stages.some((share) => {
      evidence = freshRatio(evidence);
      for (const [index, [canary, baseline]] of exposures(people, share, ramp, random).entries())
        evidence = addRatio(evidence, canary, baseline, index * WINDOW_MS, share);
      return evidence.alert;
    });
    if (alarmed) alarms++;
  }
  return alarms / runs;
}
