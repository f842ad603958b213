import { logSumExp } from '../../src/numbers.js';
import { addTested, floorsMet, startTested } from '../../src/tested.js';
import type { TestedEvidence, TestedGuardrail } from '../../src/tested.js';
import { blockOf, rateOf, testedOf } from '../support/tested.js';
import { randomOf } from './random.js';
import type { Random } from './random.js';

/** How control's rate moves from window to window while both arms are alike. */
export const BACKGROUNDS: Readonly<Record<string, (base: number, look: number) => number>> = {
  constant: (base) => base,
  sine: (base, look) => base * (1 + 0.5 * Math.sin((2 * Math.PI * look) / 120)),
  shock: (base, look) => (look >= 150 && look < 180 ? 5 * base : base),
  drift: (base, look) => base * (0.5 + look / 360),
};

const LOOKS = 360;
const STAGES = [0.01, 0.05, 0.25, 0.5] as const;
const REQUESTS = 2000;

/** The share of healthy rollouts through four stages that are rolled back at 1/alpha, at any of 360 looks, floors not asked for. */
export function falseRollbacks(
  base: number,
  background: (base: number, look: number) => number,
  runs: number,
  seed: number,
  restarts = false,
): number {
  const guardrail = rateOf();
  const limit = Math.log(1 / 0.05);
  let rolledBack = 0;
  for (let run = 0; run < runs; run++) {
    const random = randomOf(seed + run);
    let evidence = startTested(guardrail, 1);
    for (let look = 0; look < LOOKS; look++) {
      const canary = Math.round(REQUESTS * (STAGES[Math.floor((look * STAGES.length) / LOOKS)] ?? 1));
      const rate = background(base, look);
      const block = blockOf(
        random.binomial(canary, rate),
        canary,
        random.binomial(REQUESTS - canary, rate),
        REQUESTS - canary,
      );
      evidence = addTested(guardrail, restarts ? startingEverywhere(evidence) : evidence, block);
      if ((evidence.process.maxLnE ?? -Infinity) >= limit) {
        rolledBack++;
        break;
      }
    }
  }
  return rolledBack / runs;
}

/** A process that is wrong: it starts with weight ½ at every block, so that its weights do not sum to 1. */
function startingEverywhere(evidence: TestedEvidence): TestedEvidence {
  const { process } = evidence;
  const lnR = process.lnR.map((ln) => logSumExp([ln, Math.log(0.5)]));
  return { ...evidence, process: { ...process, lnR } };
}

/** How many requests of the canary it takes until a harmed one is rolled back: of every run, in rising order. */
export type Detection = {
  readonly guardrail: TestedGuardrail;
  readonly alpha: number;
  readonly horizon: number;
  readonly canary: number;
  readonly baseline: number;
  /** Control's rate, which the warm-up showed, and the canary's. */
  readonly rate: number;
  readonly harmed: number;
  readonly warmedUp: boolean;
};

const LONGEST = 1_000;

function requestsUntilFound(setting: Detection, random: Random): number {
  const { guardrail, alpha, horizon, canary, baseline, rate, harmed, warmedUp } = setting;
  const past = { k: 2000 * rate + 0.5, n: 2001 };
  let evidence: TestedEvidence = { ...startTested(guardrail, 1), ...(warmedUp && { past }) };
  for (let look = 1; look <= LONGEST; look++) {
    const block = blockOf(random.binomial(canary, harmed), canary, random.binomial(baseline, rate), baseline);
    evidence = addTested(guardrail, evidence, { ...block, horizon });
    if ((evidence.process.maxLnE ?? -Infinity) >= Math.log(1 / alpha) && floorsMet(guardrail, evidence))
      return look * canary;
  }
  return Infinity;
}

export function detection(setting: Detection, runs: number, seed: number): number[] {
  return Array.from({ length: runs }, (_, run) => requestsUntilFound(setting, randomOf(seed + run))).toSorted(
    (a, b) => a - b,
  );
}

/** The p-quantile of rising figures. */
export function quantileOf(rising: readonly number[], p: number): number {
  return rising[Math.min(rising.length - 1, Math.ceil(p * rising.length) - 1)] ?? NaN;
}

/** Errors at 1 % without margins and floors, blocks of 20 against 380. */
export function bareErrors(times: number): Detection {
  return {
    guardrail: rateOf(),
    alpha: 0.05,
    horizon: 360,
    canary: 20,
    baseline: 380,
    rate: 0.01,
    harmed: 0.01 * times,
    warmedUp: true,
  };
}

/** Errors at 1 % with every default of the standard plan, blocks of 75 against 1,425. */
export function usualErrors(times: number): Detection {
  const guardrail = testedOf({ metric: 'errors', floors: { failures: 5, requests: 20, units: 3, windows: 2 } });
  return {
    guardrail,
    alpha: 0.025,
    horizon: 2100,
    canary: 75,
    baseline: 1425,
    rate: 0.01,
    harmed: 0.01 * times,
    warmedUp: true,
  };
}

/** The share of requests over control's p95 when latencies, normal in their logarithm with σ = 1, grow by half: 1 − Φ(1.6449 − ln 1.5). */
export const SLOWED = 0.107_617;
