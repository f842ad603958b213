import { lnPhi } from '../../src/numbers.js';
import { addTested, floorsMet, startTested } from '../../src/tested.js';
import type { TestedEvidence, TestedGuardrail } from '../../src/tested.js';
import type { Arm, Sums } from '@fledge/canary';
import { randomOf } from './random.js';
import type { Random } from './random.js';

/** A healthy rollout among users who fail (or are slow) more or less often by nature. */
export type Crowd = {
  readonly users: number;
  /** How many users are active in a window, how many requests each makes, and over how many processes they are spread. */
  readonly active: number;
  readonly requests: number;
  readonly processes: number;
  /** Draws the chance with which a user's requests fail. */
  readonly rate: (random: Random) => number;
  /** The processes do not tell which group failed. */
  readonly ungrouped?: boolean;
};

const WINDOWS = 120;
const STAGES = [0.05, 0.25, 0.5] as const;
const GROUPS = 64;

/** Users whose failures correlate: their own rates are Beta with this mean and intra-user correlation. */
export function correlated(mean: number, correlation: number): Crowd['rate'] {
  return (random) => random.beta(mean, correlation);
}

/** Users who are slow by nature: ln(ms) is normal with a part per user of this correlation; T is everybody's p95. */
export function slowByNature(correlation: number): Crowd['rate'] {
  const P95 = 1.644_853_627;
  return (random) => Math.exp(lnPhi((Math.sqrt(correlation) * random.normal() - P95) / Math.sqrt(1 - correlation)));
}

/** The mutable sums of one arm in one window. */
function emptySums() {
  const zeros = (): number[] => Array.from({ length: GROUPS }, () => 0);
  return { n: 0, k: 0, a: 0, f: 0, N: zeros(), K: zeros(), units: { N: zeros(), K: zeros() } };
}

type Counting = { -readonly [arm in Arm]: ReturnType<typeof emptySums> };

/** What every process reports of one window: each knows only the users it served itself. */
function reported(sums: ReturnType<typeof emptySums>, mode: 'unit_window' | 'request', ungrouped = false): Sums {
  const { n, k, a, f, units } = sums;
  const grouped = mode === 'request' ? { N: sums.N, K: sums.K } : units;
  const groups = ungrouped ? { N: [], K: [] } : grouped;
  return { n, k, a, f, r: a, g: f, ...groups };
}

/** One rollout in two counting modes at once; which of them rolls it back. */
function oneRollout(guardrails: readonly TestedGuardrail[], crowd: Crowd, random: Random): boolean[] {
  const { users, processes } = crowd;
  // Users are drawn when they first come; below 0: not yet.
  const rates = new Float64Array(users).fill(-1);
  const group = new Uint8Array(users);
  const place = new Float64Array(users);
  const seen = new Int32Array(users * processes).fill(-1);
  const failed = new Int32Array(users * processes).fill(-1);
  let evidences: TestedEvidence[] = guardrails.map((guardrail) => startTested(guardrail, 1));
  const hit = guardrails.map(() => false);
  for (let window = 0; window < WINDOWS; window++) {
    const share = STAGES[Math.floor((window * STAGES.length) / WINDOWS)] ?? 1;
    const arms: Counting = { canary: emptySums(), baseline: emptySums() };
    for (let active = 0; active < crowd.active; active++) {
      const user = Math.floor(random.uniform() * users);
      if ((rates[user] ?? 0) < 0) {
        rates[user] = crowd.rate(random);
        group[user] = Math.floor(random.uniform() * GROUPS);
        place[user] = random.uniform();
      }
      const sums = (place[user] ?? 1) < share ? arms.canary : arms.baseline;
      const at = group[user] ?? 0;
      for (let request = 0; request < crowd.requests; request++) {
        const slot = user * processes + Math.floor(random.uniform() * processes);
        const fails = random.uniform() < (rates[user] ?? 0);
        sums.n++;
        sums.N[at] = (sums.N[at] ?? 0) + 1;
        if (seen[slot] !== window) {
          seen[slot] = window;
          sums.a++;
          sums.units.N[at] = (sums.units.N[at] ?? 0) + 1;
        }
        if (!fails) continue;
        sums.k++;
        sums.K[at] = (sums.K[at] ?? 0) + 1;
        if (failed[slot] === window) continue;
        failed[slot] = window;
        sums.f++;
        sums.units.K[at] = (sums.units.K[at] ?? 0) + 1;
      }
    }
    evidences = evidences.map((evidence, index) => {
      const guardrail = guardrails[index];
      if (guardrail === undefined) return evidence;
      const mode = guardrail.count === 'request' ? 'request' : 'unit_window';
      const block = {
        canary: reported(arms.canary, mode, crowd.ungrouped),
        baseline: reported(arms.baseline, mode, crowd.ungrouped),
      };
      const next = addTested(guardrail, evidence, {
        ...block,
        horizon: 360,
        warmup: false,
        ofStage: true,
        proof: null,
      });
      if ((next.process.maxLnE ?? -Infinity) >= Math.log(1 / 0.05) && floorsMet(guardrail, next)) hit[index] = true;
      return next;
    });
  }
  return hit;
}

/** The share of healthy rollouts that each guardrail rolls back. */
export function clusteredFalseRollbacks(
  guardrails: readonly TestedGuardrail[],
  crowd: Crowd,
  runs: number,
  seed: number,
): number[] {
  const counts = guardrails.map(() => 0);
  for (let run = 0; run < runs; run++)
    for (const [index, hit] of oneRollout(guardrails, crowd, randomOf(seed + run)).entries())
      if (hit) counts[index] = (counts[index] ?? 0) + 1;
  return counts.map((count) => count / runs);
}
