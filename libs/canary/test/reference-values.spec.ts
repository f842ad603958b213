import { describe, expect, it } from 'vitest';
import { dispersion } from '../src/dispersion.js';
import { lnNormalMixture, mixtureRho } from '../src/mean.js';
import { lnSampleRatio } from '../src/sample-ratio.js';
import { endWarmup } from '../src/tested.js';
import type { TestedEvidence, TestedGuardrail } from '../src/tested.js';
import { lnBet, projectWorse } from '../src/two-shares.js';
import { blockOf, limitOf, rateOf, startedOf, stepped, testedOf } from './support/tested.js';

type Counts = readonly [kc: number, nc: number, kb: number, nb: number];

function lnEs(
  guardrail: TestedGuardrail,
  blocks: readonly Counts[],
  read: (evidence: TestedEvidence) => number | null,
) {
  let evidence = startedOf(guardrail);
  return blocks.map((counts) => {
    evidence = stepped(guardrail, evidence, blockOf(...counts));
    return read(evidence) ?? NaN;
  });
}

function expectClose(got: readonly number[], wanted: readonly number[]) {
  expect(got).toHaveLength(wanted.length);
  for (const [index, value] of wanted.entries()) expect(got[index]).toBeCloseTo(value, 6);
}

describe('the reference values of the contract', () => {
  it('projects alternatives onto the border', () => {
    expect(projectWorse({ canary: 0.02, baseline: 0.01 }, 20, 380, { a: 1, d: 0 })).toEqual({
      canary: expect.closeTo(0.0105, 12),
      baseline: expect.closeTo(0.0105, 12),
    });
    expect(projectWorse({ canary: 0.05, baseline: 0.01 }, 20, 380, { a: 1.2, d: 0.001 })).toEqual({
      canary: expect.closeTo(0.0150668638, 10),
      baseline: expect.closeTo(0.0117223865, 10),
    });
  });

  it('bets on one block', () => {
    const alternative = { canary: 0.02, baseline: 0.01 };
    const projection = { canary: 0.0105, baseline: 0.0105 };
    const bet = lnBet({ n: 20, k: 2 }, { n: 380, k: 3 }, alternative, projection);
    expect(bet).toBeCloseTo(1.1591461979, 10);
  });

  const BLOCKS: Counts[] = [
    [0, 20, 2, 380],
    [1, 22, 4, 378],
    [3, 19, 3, 381],
    [4, 21, 5, 379],
  ];

  it('follows two shares through four blocks', () => {
    const got = lnEs(rateOf(), BLOCKS, ({ process }) => process.lnE);
    expectClose(got, [-1.123416, -0.74731, 2.438314, 7.870536]);
  });

  it('follows one share against a limit through four blocks', () => {
    const got = lnEs(limitOf(0.01), BLOCKS, ({ process }) => process.lnE);
    expectClose(got, [-1.320623, -0.892647, 2.136801, 8.593816]);
  });

  it('proves a canary safe', () => {
    const blocks: Counts[] = [
      [0, 200, 2, 3800],
      [1, 220, 38, 3780],
      [3, 190, 40, 3810],
    ];
    const safe = { relative: 1, absolute: 0 };
    let evidence = startedOf(rateOf());
    const got = blocks.map((counts) => {
      evidence = stepped(rateOf(), evidence, { ...blockOf(...counts), proof: safe });
      const terms = evidence.proof.lnS.map((ln) => Math.exp(ln));
      return Math.log(terms.reduce((sum, term) => sum + term, 0) / 3);
    });
    expectClose(got, [0.089082, 1.473536, 1.364398]);
    expect(evidence.proof.maxLnE).toBeCloseTo(1.473536, 6);
  });

  it('estimates the dispersion of five groups', () => {
    const N = [10, 10, 5, 20, 1];
    const K = [0, 3, 1, 0, 1];
    expect(dispersion({ N, K }, 3, 0)).toBeCloseTo(2.9647401909, 9);
    expect(dispersion({ N, K }, 3)).toBe(3);
  });

  it('begins with what control showed in the warm-up, with a tenth of it as the margin where that is less', () => {
    const guardrail = testedOf({ metric: 'errors' });
    const after = (k: number) => {
      const warm = stepped(guardrail, startedOf(guardrail), { ...blockOf(9, 99, k, 10_000), warmup: true });
      const { past, absolute, process, seen } = endWarmup(guardrail, warm, 2);
      return [past.k, past.n, absolute, process.blocks, seen.failures];
    };
    expect(after(100)).toEqual([20.5, 2001, 0.0005, 0, 0]);
    expect(after(20)).toEqual([4.5, 2001, 0.0002, 0, 0]);
    expect(startedOf(guardrail)).toMatchObject({ past: { k: 0.5, n: 50 }, absolute: 0.0005 });
    expect(startedOf(testedOf({ metric: 'latency' })).past.k).toBeCloseTo(2.5, 12);
  });

  it('mixes over the mean of the logarithms', () => {
    const rho = mixtureRho(20, 0.05);
    expect(rho).toBeCloseTo(3.160126981, 9);
    expect(lnNormalMixture(10, 20, rho)).toBeCloseTo(1.837081736, 9);
  });

  it('compares shares of the units with what was planned', () => {
    expect(lnSampleRatio({ canary: 5200, baseline: 4800 }, 0.5, 1)).toBeCloseTo(6.075817652, 8);
  });
});
