import { TEMPLATES, alphaOf, completePlan, forecast, neededRequests, plannedShare } from '@fledge/canary';
import { expect, it } from 'vitest';

it('shares alpha by weight among the guardrails that roll back and reckon with chance', () => {
  const plan = completePlan({
    stages: [{ percentage: 50 }],
    guardrails: [
      { metric: 'errors', weight: 3 },
      { metric: 'latency' },
      { metric: 'latency', kind: 'mean' },
      { metric: 'errors', kind: 'limit', test: 'point', limit: 0.1, action: 'rollback' },
      { metric: 'errors', kind: 'limit', test: 'rate', limit: 0.1, action: 'hold' },
    ],
  });
  const shares = plan.guardrails.map((_, index) => alphaOf(plan, index));
  expect(shares.map((alpha) => Number(alpha.toFixed(12)))).toEqual([0.0375, 0.0125, 0.05, 0.05, 0.05]);
});

it('says what a stage can expect and what it needs', () => {
  const plan = completePlan(TEMPLATES.standard);
  const stages = forecast(plan, { requests: 0.1, units: 0.01 });
  expect(stages.map(({ stage, percentage }) => [stage, percentage])).toEqual([
    [0, 1],
    [1, 5],
    [2, 25],
    [3, 50],
  ]);
  expect(stages[0]?.expected.requests).toBeCloseTo(1_800, 0);
  expect(stages[0]?.expected.units).toBeCloseTo(180, 0);
  expect(stages[0]?.needed).toEqual({ 2: 3_277, 3: 977, 5: 313 });
  expect(stages.map(({ tooFew }) => tooFew)).toEqual([false, false, false, false]);
  expect(forecast(plan, { requests: 0.001, units: 0.0001 })[0]?.tooFew).toBe(true);
  expect(forecast(plan, { requests: 0.1, units: null })[0]).toMatchObject({ expected: { units: null }, tooFew: false });
  expect(forecast(plan, { requests: 0.001, units: null })[0]?.tooFew).toBe(true);
});

it('needs fewer requests for greater harm and for higher rates', () => {
  expect(neededRequests(0.05, 0.01, 2)).toBeGreaterThan(neededRequests(0.05, 0.01, 3));
  expect(neededRequests(0.05, 0.01, 2)).toBeGreaterThan(neededRequests(0.05, 0.05, 2));
});

it('takes the share of a percentage from the very threshold that the gate uses', () => {
  expect(plannedShare(50)).toBe(0.5);
  expect(plannedShare(100)).toBe(1);
  expect(plannedShare(0.001)).toBe(42_949 / 2 ** 32);
});
