import { TEMPLATES, completePlan, durationText, parseDuration, startEvidence, validatePlan } from '@fledge/canary';
import type { GuardrailDocument } from '@fledge/canary';
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

it('knows three plans by name', () => {
  const steps = Object.entries(TEMPLATES).map(([name, template]) => {
    const { stages, warmup, watch, window } = completePlan(template);
    const way = stages.map(({ percentage, minBake, gates }) =>
      [percentage, ...(percentage < 100 ? [minBake] : []), ...gates.map(({ type }) => type)].join(' '),
    );
    return `${name}: ${way.join(', ')}; ${warmup}, ${watch}, ${window}`;
  });
  expect(steps).toEqual([
    'standard: 1 30m, 5 1h, 25 4h, 50 12h, 100; 10m, 24h, 30s',
    'careful: 0.5 4h, 2 12h, 10 24h, 50 24h approval, 100; 10m, 24h, 30s',
    'quick: 5 2m, 50 3m, 100; 0s, 24h, 10s',
  ]);
  expect(completePlan(TEMPLATES.quick).stages.map(({ minSamples }) => minSamples)).toEqual([
    { requests: 100, units: 20 },
    { requests: 100, units: 20 },
    { requests: 0, units: 0 },
  ]);
});

it('fills in what a guardrail leaves out, and four times the bake where that is more than an hour', () => {
  const stages = [{ percentage: 5, minBake: '1h' }];
  const limit = { metric: 'errors', kind: 'limit', limit: 0.05 } as const;
  const of = (...guardrails: readonly GuardrailDocument[]) => completePlan({ stages, guardrails });
  const tested = {
    action: 'rollback',
    count: 'unit_window',
    weight: 1,
    dispersion: 3,
    floors: { failures: 5, requests: 20, units: 3, windows: 2 },
  };
  const margin = { relative: 0.1, absolute: null };
  expect(of({ metric: 'errors' }, { metric: 'latency' }, { ...limit, test: 'rate' }).guardrails).toEqual([
    { metric: 'errors', kind: 'rate', margin, ...tested },
    { metric: 'latency', kind: 'quantile', quantile: 0.95, overMs: null, margin, ...tested },
    { ...limit, test: 'rate', ...tested },
  ]);
  expect(of({ metric: 'latency', kind: 'mean' }, { ...limit, test: 'point' }).guardrails).toEqual([
    { metric: 'latency', kind: 'mean', action: 'warn', margin: { relative: 0.05 } },
    { ...limit, test: 'point', of: 'rate', windows: [3, 5], action: 'rollback' },
  ]);
  expect(of().stages[0]?.maxBake).toBe('4h');
});

it('spreads the start of harm over the bakes of the plan, over 360 windows at least', () => {
  const horizons = Object.values(TEMPLATES).map(
    (template) => startEvidence(completePlan(template), { epoch: 1, now: 0, at: 'warmup' }).horizon,
  );
  expect(horizons).toEqual([2_100, 7_680, 360]);
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

it('takes no gates where there is no stage before them', () => {
  const gates = [{ type: 'approval' }];
  expect(codes({ stages: [{ percentage: 100, gates }] })).toEqual(['/stages/0/gates last_stage']);
  expect(codes({ stages: [{ percentage: 50 }, { percentage: 100, gates }] })).toEqual([]);
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
