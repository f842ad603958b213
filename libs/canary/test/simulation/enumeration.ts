import { EFFECTS } from '../../src/process.js';
import { lnBet, lnLikelihoodRatio, projectBetter, projectWorse } from '../../src/two-shares.js';
import type { Border, Shares } from '../../src/two-shares.js';

const SIZES = [
  [1, 1],
  [1, 6],
  [3, 7],
  [5, 20],
] as const;
const PASTS = [1e-6, 0.001, 0.01, 0.05, 0.2, 0.5];
const MARGINS = [1, 1.1, 1.2, 2, 3];
const OFFSETS = [0, 0.0005, 0.02, 0.5];
const STEPS = 24;

/** The chances of 0 to n failures. */
function binomial(n: number, p: number): number[] {
  let choose = 1;
  return Array.from({ length: n + 1 }, (_, k) => {
    const chance = choose * p ** k * (1 - p) ** (n - k);
    choose = (choose * (n - k)) / (k + 1);
    return chance;
  });
}

/** The expectation of S over every outcome of a block, when these are the shares. */
function expectation(
  [nc, nb]: readonly [number, number],
  truth: Shares,
  lnS: (kc: number, kb: number) => number,
): number {
  const canary = binomial(nc, truth.canary);
  const baseline = binomial(nb, truth.baseline);
  let sum = 0;
  for (const [kc, one] of canary.entries())
    for (const [kb, other] of baseline.entries()) if (one * other > 0) sum += one * other * Math.exp(lnS(kc, kb));
  return sum;
}

/** Shares on the border and on its good side: that of "no worse" (fractions of the border), or of "not safe" (up to 1). */
function truths({ a, d }: Border, better: boolean): Shares[] {
  return Array.from({ length: STEPS + 1 }, (_, step) => step / STEPS).flatMap((baseline) => {
    const border = a * baseline + d;
    if (better) return border > 1 ? [] : [border, (1 + border) / 2].map((canary) => ({ canary, baseline }));
    return [1, 0.9, 0.5].map((part) => ({ canary: Math.min(1, border) * part, baseline }));
  });
}

/** The greatest E[S] of a block under H0 over every margin, offset, past, size, effect and true pair of shares. */
export function greatestExpectation(better: boolean): number {
  let greatest = 0;
  const effects = better ? [0.85, 1, 1.2] : EFFECTS;
  for (const a of MARGINS)
    for (const d of OFFSETS)
      for (const past of PASTS)
        for (const size of SIZES)
          for (const effect of effects) {
            const border = { a, d };
            const canary = better ? effect * past : Math.min(0.98, effect * (a * past + d));
            const alternative = { canary, baseline: past };
            const projection = (better ? projectBetter : projectWorse)(alternative, size[0], size[1], border);
            if (projection === undefined) continue;
            for (const truth of truths(border, better))
              greatest = Math.max(
                greatest,
                expectation(size, truth, (kc, kb) =>
                  lnBet({ n: size[0], k: kc }, { n: size[1], k: kb }, alternative, projection),
                ),
              );
          }
  return greatest;
}

/** The same for one share against a fixed limit. */
export function greatestLimitExpectation(): number {
  let greatest = 0;
  for (const limit of [0.0005, 0.01, 0.05, 0.3])
    for (const effect of EFFECTS)
      for (const part of [1, 0.9, 0.5, 0])
        for (const n of [1, 3, 20])
          greatest = Math.max(
            greatest,
            expectation([n, 0], { canary: limit * part, baseline: 0 }, (k) =>
              lnLikelihoodRatio({ n, k }, Math.min(0.98, effect * limit), limit),
            ),
          );
  return greatest;
}
