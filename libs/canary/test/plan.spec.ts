import { TEMPLATES, completePlan, durationText, parseDuration, validatePlan } from '@fledge/canary';
import { expect, it } from 'vitest';

const codes = (document: unknown): string[] =>
  validatePlan(document).problems.map(({ pointer, code }) => `${pointer} ${code}`);

it('accepts every template, and the complete plan that it becomes', () => {
  for (const template of Object.values(TEMPLATES)) {
    expect(validatePlan(template)).toEqual({ problems: [], warnings: [] });
    expect(validatePlan(completePlan(template))).toEqual({ problems: [], warnings: [] });
    expect(completePlan(completePlan(template))).toEqual(completePlan(template));
  }
});

it('fills in what a plan leaves out', () => {
  const plan = completePlan({ stages: [{ percentage: 5, minBake: '10m' }, { percentage: 100 }] });
  expect(plan.stages[0]).toEqual({
    percentage: 5,
    minBake: '10m',
    maxBake: '1h',
    minSamples: { requests: 500, units: 100 },
    evidence: 'none',
    onInconclusive: 'hold',
    gates: [],
  });
  expect(plan.guardrails.map(({ metric, kind, action }) => [metric, kind, action])).toEqual([
    ['errors', 'rate', 'rollback'],
    ['latency', 'quantile', 'rollback'],
  ]);
  expect([plan.warmup, plan.watch, plan.alpha, plan.window]).toEqual(['10m', '24h', 0.05, '30s']);
});

it('names every problem of a plan with its place', () => {
  expect(
    codes({
      stages: [
        { percentage: 5, minBake: '1 h' },
        { percentage: 5 },
        { percentage: 100, minBake: '1h' },
        { percentage: 101 },
      ],
      guardrails: [{ metric: 'Errors' }, { metric: 'payments' }, { metric: 'errors', kind: 'quantile' }],
      window: '5s',
      extra: 1,
    }),
  ).toEqual([
    '/extra unknown_field',
    '/stages/0/minBake invalid_duration',
    '/stages/2/minBake last_stage',
    '/stages/3/percentage out_of_range',
    '/stages/1/percentage not_rising',
    '/guardrails/0/kind missing',
    '/guardrails/0/metric invalid_key',
    '/guardrails/1/kind missing',
    '/guardrails/2/kind wrong_kind',
    '/window out_of_range',
  ]);
});

it('reads durations in seconds, minutes, hours and days, and writes them in the largest unit that fits', () => {
  expect(['90s', '30m', '4h', '2d', '0s', '1.5h', '', '5', '400d', 5].map(parseDuration)).toEqual([
    90_000,
    1_800_000,
    14_400_000,
    172_800_000,
    0,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect([90_000, 1_800_000, 14_400_000, 172_800_000, 0, 1_500].map(durationText)).toEqual([
    '90s',
    '30m',
    '4h',
    '2d',
    '0s',
    '1s',
  ]);
});

it('refuses guardrails on one metric that one mark cannot serve', () => {
  const on = (...guardrails: unknown[]): string[] => codes({ stages: [{ percentage: 5 }], guardrails });
  expect(on({ metric: 'errors' }, { metric: 'errors', kind: 'limit', test: 'rate', limit: 0.1 })).toEqual([]);
  expect(on({ metric: 'latency' }, { metric: 'latency', quantile: 0.5 })).toEqual(['/guardrails/1 conflict']);
  expect(on({ metric: 'pay', kind: 'rate' }, { metric: 'pay', kind: 'mean' })).toEqual(['/guardrails/1 conflict']);
  const counted = { metric: 'errors', kind: 'limit', test: 'rate', limit: 0.1, count: 'request' };
  expect(on({ metric: 'errors' }, counted)).toEqual(['/guardrails/1/count conflict']);
});

it('warns of a plan that nothing can take back by itself', () => {
  const { problems, warnings } = validatePlan({
    stages: [{ percentage: 5 }],
    guardrails: [{ metric: 'errors', action: 'warn' }],
  });
  expect(problems).toEqual([]);
  expect(warnings.map(({ code }) => code)).toEqual(['nothing_rolls_back']);
});
