import { EMPTY_ARM, TEMPLATES, acknowledge, gatesAhead, plannedShare } from '@fledge/canary';
import type { Decision, PlanDocument } from '@fledge/canary';
import { describe, expect, it } from 'vitest';
import { armOf, decided, entered, quietArm, run, startOf, tick } from './support/rollout.js';
import type { Rollout } from './support/rollout.js';
import { sumsOf } from './support/tested.js';

/** 2,000 requests a window, 1 % of them failing in both arms. */
function healthy({ plan, evidence }: Rollout) {
  const share = plannedShare(plan.stages[evidence.stage]?.percentage ?? 100);
  const canary = Math.round(2000 * share);
  return {
    canary: quietArm(canary, Math.round(canary / 100)),
    baseline: quietArm(2000 - canary, Math.round((2000 - canary) / 100)),
  };
}

function failing(times: number) {
  return (rollout: Rollout) => {
    const { canary, baseline } = healthy(rollout);
    const n = canary.first.n;
    return { canary: quietArm(n, Math.round((n * times) / 100)), baseline };
  };
}

const ONE_STAGE: PlanDocument = {
  warmup: '0s',
  window: '10s',
  guardrails: [{ metric: 'errors' }],
  stages: [{ percentage: 50, minBake: '1m' }, { percentage: 100 }],
};

const last = (decisions: readonly Decision[]): Decision | undefined => decisions.at(-1);
const codes = (decision: Decision | undefined): string[] => decision?.reasons.map(({ code }) => code) ?? [];

describe('the way of a rollout', () => {
  it('takes a healthy canary through every stage of the quick plan, each no shorter than its bake', () => {
    const { decisions, rollout } = run(startOf(TEMPLATES.quick), 200, healthy);
    const advances = decisions.flatMap(({ action, to }, index) => (action === 'hold' ? [] : [{ action, to, index }]));
    expect(advances.map(({ action, to }) => [action, to])).toEqual([
      ['advance', 1],
      ['complete', 2],
    ]);
    expect(advances[0]?.index).toBeGreaterThanOrEqual(12);
    expect((advances[1]?.index ?? 0) - (advances[0]?.index ?? 0)).toBeGreaterThanOrEqual(18);
    expect(rollout.evidence.stage).toBe(2);
  });

  it('warms up until there is enough of control, then begins the first stage with thresholds learned', () => {
    const { decisions, rollout } = run(startOf(TEMPLATES.standard), 25, healthy);
    expect(decisions.findIndex(({ action }) => action === 'advance')).toBeGreaterThanOrEqual(20);
    expect(rollout.evidence.stage).toBe(0);
    expect(rollout.evidence.phase).toBe('baking');
    expect(rollout.epoch).toBe(2);
    expect(decided(rollout).checks.map(({ name, over }) => [name, over !== null])).toEqual([
      ['errors', false],
      ['latency p95', true],
    ]);
  });

  it('rolls back a canary that fails five times as often, in the first stage, and says why with figures', () => {
    const { decisions } = run(startOf(TEMPLATES.quick), 200, failing(5));
    const decision = last(decisions);
    expect(decision?.action).toBe('rollback');
    expect(decision?.step).toBe(2);
    expect(decisions.some(({ action }) => action === 'advance')).toBe(false);
    expect(decision?.why).toMatch(/^errors 5 % against 1 %, \d+ of \d+, evidence \d+ against 40$/);
  });

  it('finds harm that begins in the second stage', () => {
    const { decisions, rollout } = run(startOf(TEMPLATES.quick), 200, (at) =>
      at.evidence.stage === 0 ? healthy(at) : failing(3)(at),
    );
    expect(last(decisions)?.action).toBe('rollback');
    expect(rollout.evidence.stage).toBe(1);
  });

  it('finds a canary that is slower than control more often than its margin allows', () => {
    const slow = (at: Rollout) => {
      const { canary, baseline } = healthy(at);
      const n = canary.first.n;
      const { latency, errors } = canary.metrics;
      if (latency === undefined || errors === undefined) throw new Error('Expected both metrics.');
      const slower = { ...latency, k: Math.round(n / 5), f: Math.round(n / 5), g: Math.round(n / 5) };
      return { canary: armOf(n, { errors, latency: slower }), baseline };
    };
    const { decisions } = run(startOf(TEMPLATES.standard), 200, slow);
    expect(last(decisions)?.action).toBe('rollback');
    expect(last(decisions)?.why).toMatch(/^latency p95 over \d+(\.\d+)? ms: 20 % against 5 %/);
  });
});

describe('the order of a decision', () => {
  const baking = (document: PlanDocument = ONE_STAGE, ticks = 3): Rollout =>
    run(startOf(document), ticks, healthy).rollout;

  it('obeys the kill switch, an operator and an outside judge before anything else', () => {
    const harmed = run(startOf(ONE_STAGE), 200, failing(9)).rollout;
    expect(codes(decided(harmed, { killed: true }))).toEqual(['kill_switch']);
    expect(codes(decided(harmed, { rollback: { by: 'ada', comment: 'no' } }))).toEqual(['manual']);
    const word = { source: 'grafana', reason: 'too slow' };
    expect(decided(baking(), { verdicts: [{ ...word, verdict: 'fail' }] })).toMatchObject({
      action: 'rollback',
      step: 1,
      why: 'grafana says fail: too slow',
    });
    expect(decided(baking(), { verdicts: [{ ...word, verdict: 'inconclusive' }] }).action).toBe('hold');
  });

  it('rolls back while paused, and does nothing else', () => {
    const paused = { ...baking(), state: 'paused' } as const;
    expect(decided(paused)).toMatchObject({ action: 'hold', step: 3, bakes: false, reasons: [{ code: 'paused' }] });
    const harmed = run(paused, 200, failing(9));
    expect(last(harmed.decisions)).toMatchObject({ action: 'rollback', step: 2 });
  });

  it('does not roll back before the floors are met, however clear the evidence', () => {
    const few = { ...ONE_STAGE, guardrails: [{ metric: 'errors', floors: { requests: 1_000_000 } }] };
    const { decisions } = run(startOf(few), 100, failing(50));
    expect(decisions.some(({ action }) => action === 'rollback')).toBe(false);
  });

  it('rolls back for what the evidence once was, as soon as the floors are met', () => {
    const late: PlanDocument = {
      ...ONE_STAGE,
      guardrails: [{ metric: 'errors', floors: { windows: 40 } }],
      stages: [{ percentage: 50, minBake: '1h' }],
    };
    const harmed = run(startOf(late), 5, failing(3));
    const calm = run(harmed.rollout, 60, healthy);
    expect(calm.decisions).toHaveLength(35);
    expect(last(calm.decisions)).toMatchObject({ action: 'rollback', step: 2 });
    expect(last(calm.decisions)?.checks[0]?.lnE).toBeLessThan(0);
  });

  it('holds for a mean that is higher, once 20 blocks and 200 requests have shown how it scatters', () => {
    const timed = (ms: number) => {
      const lnms = [500, Math.log(ms), 125] as const;
      return armOf(500, { errors: sumsOf(500, 5), latency: { ...sumsOf(500, 25), lnms } });
    };
    const slow: PlanDocument = {
      ...ONE_STAGE,
      guardrails: [{ metric: 'latency', kind: 'mean', action: 'hold' }],
      stages: [{ percentage: 50, minBake: '1h' }],
    };
    const of = (ms: number) =>
      run(startOf(slow), 40, () => ({ canary: timed(ms), baseline: timed(100) })).decisions.findIndex((decision) =>
        codes(decision).includes('guardrail_hold'),
      );
    expect([of(100), of(104), of(120)]).toEqual([-1, -1, 19]);
  });

  it('holds and stops the clock when no data comes, and neither passes nor fails for it', () => {
    const before = baking();
    const silent = run(before, 60, () => null);
    expect(silent.decisions.slice(0, 5).map(({ step }) => step)).toEqual([4, 4, 4, 4, 4]);
    expect(codes(last(silent.decisions))).toEqual(['no_data']);
    expect(last(silent.decisions)?.action).toBe('hold');
    expect(silent.rollout.bakedMs).toBe(before.bakedMs);
    expect(codes(tick(silent.rollout, healthy(silent.rollout)).decision)).toEqual(['baking']);
  });

  it('does not count a window in which one arm is silent', () => {
    const oneArm = run(baking(), 20, (at) => ({ ...healthy(at), canary: EMPTY_ARM }), { fresh: false });
    expect(codes(last(oneArm.decisions))).toEqual(['sample_ratio', 'reports_missing', 'no_data']);
    expect(oneArm.rollout.bakedMs).toBe(baking().bakedMs);
  });

  it('holds when the canary shows less than half of its units', () => {
    const crashing = run(baking(), 4, (at) => ({ ...healthy(at), canary: quietArm(300, 3) }));
    expect(codes(last(crashing.decisions))).toContain('reports_missing');
  });

  it('holds when the flag is evaluated and nothing measures', () => {
    const unmeasured = run(startOf(ONE_STAGE), 5, () => ({ canary: armOf(50, {}), baseline: armOf(50, {}) }));
    expect(codes(last(unmeasured.decisions))[0]).toBe('not_instrumented');
  });

  it('holds when the arms do not get their shares, until an operator takes note or the next epoch', () => {
    const skewed = (at: Rollout) => ({ ...healthy(at), canary: quietArm(700, 7) });
    const { rollout, decisions } = run(startOf(ONE_STAGE), 30, skewed);
    expect(codes(last(decisions))).toContain('sample_ratio');
    const noted = { ...rollout, evidence: acknowledge(rollout.evidence, 'sample_ratio') };
    expect(codes(decided(noted))).not.toContain('sample_ratio');
    expect(codes(decided(entered(rollout, { stage: 0 })))).not.toContain('sample_ratio');
  });

  it('lets an alarm about the shares end after three calm periods of ten minutes', () => {
    const skewed = run(startOf(ONE_STAGE), 30, (at) => ({ ...healthy(at), canary: quietArm(700, 7) }));
    const calm = run(skewed.rollout, 250, healthy);
    const ends = calm.decisions.findIndex((decision) => !codes(decision).includes('sample_ratio'));
    expect(ends).toBeGreaterThan(150);
    expect(ends).toBeLessThan(220);
  });

  it('holds for a guardrail that only holds while its evidence stands, and passes again when it falls', () => {
    const holding: PlanDocument = { ...ONE_STAGE, guardrails: [{ metric: 'errors', action: 'hold' }] };
    const bad = run(startOf(holding), 12, failing(4));
    expect(last(bad.decisions)).toMatchObject({ action: 'hold', step: 3, reasons: [{ code: 'guardrail_hold' }] });
    const good = run(bad.rollout, 200, healthy);
    expect(last(good.decisions)?.action).toBe('complete');
  });

  it('only warns of a guardrail that an operator promoted over', () => {
    const holding: PlanDocument = { ...ONE_STAGE, guardrails: [{ metric: 'errors', action: 'hold' }] };
    const bad = run(startOf(holding), 12, failing(4)).rollout;
    const decision = decided(bad, {}, [0]);
    expect(decision.checks[0]).toMatchObject({ action: 'warn', verdict: 'fail' });
    expect(codes(decision)).not.toContain('guardrail_hold');
  });

  it('asks for the samples of this stage, counted anew in each', () => {
    const two: PlanDocument = {
      ...ONE_STAGE,
      stages: [
        { percentage: 25, minBake: '10s' },
        { percentage: 50, minBake: '10s', minSamples: { requests: 5_500, units: 0 } },
      ],
    };
    const { decisions } = run(startOf(two), 30, healthy);
    const counts = decisions.filter((decision) => codes(decision).includes('min_samples')).map(({ why }) => why);
    expect(counts.at(-1)).toBe('The canary has seen 5,000 of 5,500 requests of this stage.');
    expect(last(decisions)?.action).toBe('complete');
  });

  it('asks for enough observations to find the ratio wanted, and for proof, where the stage does', () => {
    const of = (evidence: unknown): PlanDocument => ({
      ...ONE_STAGE,
      stages: [{ percentage: 50, minBake: '10s', minSamples: { requests: 0, units: 0 }, evidence } as never],
    });
    const powered = run(startOf(of({ powered: { ratio: 2 } })), 100, healthy);
    expect(codes(powered.decisions[1])).toEqual(['not_powered']);
    expect(last(powered.decisions)?.action).toBe('complete');
    const proven = run(startOf(of({ proven: { relative: 1, absolute: 0.0005 } })), 100, healthy);
    expect(codes(proven.decisions[1])).toEqual(['not_proven']);
    expect(last(proven.decisions)?.action).toBe('complete');
  });

  it("follows the stage's policy when maxBake is over without what was asked for", () => {
    const policy = (onInconclusive: 'hold' | 'advance' | 'rollback'): PlanDocument => ({
      ...ONE_STAGE,
      stages: [
        {
          percentage: 50,
          minBake: '10s',
          maxBake: '60s',
          minSamples: { requests: 1_000_000, units: 0 },
          onInconclusive,
        },
      ],
    });
    const outcomes = (['hold', 'advance', 'rollback'] as const).map((each) =>
      last(run(startOf(policy(each)), 20, healthy).decisions),
    );
    expect(outcomes.map((decision) => [decision?.action, decision?.step, decision?.inconclusive])).toEqual([
      ['hold', 7, true],
      ['complete', 9, true],
      ['rollback', 7, true],
    ]);
    expect(codes(outcomes[0])).toEqual(['inconclusive', 'min_samples']);
  });

  it('asks for the gates last, and for the approval when all others are open', () => {
    const gates = [
      { type: 'window', days: ['thu'], from: '09:00', to: '16:00', timeZone: 'Europe/Berlin' },
      { type: 'webhook', url: 'https://example.com/gate' },
      { type: 'approval', fourEyes: true },
    ] as const;
    const gated: PlanDocument = {
      ...ONE_STAGE,
      stages: [
        { percentage: 50, minBake: '10s' },
        { percentage: 100, gates },
      ],
    };
    const at = run(startOf(gated), 5, healthy).rollout;
    expect(gatesAhead(at.plan, 0).map(({ type }) => type)).toEqual(['window', 'webhook', 'approval']);
    const thursday = Date.UTC(1970, 0, 1, 8, 0);
    const later = {
      ...at,
      now: thursday,
      evidence: { ...at.evidence, traffic: { ...at.evidence.traffic, lastBlock: thursday } },
    };
    expect(codes(decided(later, { gates: [false, false, false] }))).toEqual(['gate_webhook']);
    expect(codes(decided(later, { gates: [false, true, false] }))).toEqual(['awaiting_approval']);
    expect(decided(later, { gates: [false, true, false] })).toMatchObject({ step: 8, awaitsGate: true, bakes: true });
    expect(decided(later, { gates: [false, true, true] })).toMatchObject({ action: 'complete', to: 1 });
    const early = { ...later, now: thursday - 1 };
    expect(codes(decided(early, { gates: [true, true, true] }))).toEqual(['gate_window']);
  });

  it('cannot leave the last stage while a quantile learns its threshold', () => {
    const bare: PlanDocument = {
      ...ONE_STAGE,
      guardrails: [{ metric: 'latency', quantile: 0.999 }],
      stages: [{ percentage: 50, minBake: '10s' }],
    };
    const { decisions } = run(startOf(bare), 20, healthy);
    expect(codes(last(decisions))).toEqual(['learning']);
  });

  it('holds the warm-up when the arms differ before anybody gets the canary', () => {
    const { decisions, rollout } = run(
      startOf({ ...TEMPLATES.standard, guardrails: [{ metric: 'errors' }] }),
      200,
      (at) => {
        const { canary, baseline } = healthy(at);
        return { canary: quietArm(canary.first.n, 5), baseline };
      },
    );
    expect(codes(last(decisions))).toEqual(['arms_differ']);
    expect(rollout.evidence.phase).toBe('warmup');
    const noted = run({ ...rollout, evidence: acknowledge(rollout.evidence, 'arms_differ') }, 30, healthy);
    expect(noted.rollout.evidence.phase).toBe('baking');
    expect(noted.rollout.evidence.guardrails[0]).toMatchObject({ process: { maxLnE: expect.not.closeTo(3.7, 0) } });
  });

  it('watches the absolute limits alone after completion, and lets the watch end', () => {
    const watched: PlanDocument = {
      ...ONE_STAGE,
      watch: '10m',
      guardrails: [{ metric: 'errors' }, { metric: 'errors', kind: 'limit', test: 'rate', limit: 0.02 }],
    };
    const done = run(startOf(watched), 100, healthy).rollout;
    const watching = { ...entered(done, 'watch'), state: 'completed' } as const;
    const alone = (failures: number) => () => ({ canary: quietArm(2000, failures), baseline: EMPTY_ARM });
    const over = run(watching, 100, alone(20));
    expect(over.decisions).toHaveLength(61);
    expect(last(over.decisions)).toMatchObject({ action: 'complete', to: null, reasons: [{ code: 'watch_over' }] });
    const broken = run(watching, 100, alone(100));
    expect(last(broken.decisions)).toMatchObject({
      action: 'rollback',
      reasons: [{ code: 'guardrail', guardrail: 1 }],
    });
  });

  it('rolls nothing back in the watch for a comparison that is over', () => {
    const lenient: PlanDocument = {
      ...ONE_STAGE,
      guardrails: [{ metric: 'errors' }, { metric: 'latency', weight: 1 }],
    };
    const { rollout } = run(startOf(lenient), 100, (at) => (at.bakedMs < 20_000 ? failing(3.4)(at) : healthy(at)));
    const { maxLnE, limit } = decided(rollout).checks[0] ?? {};
    expect(maxLnE).toBeGreaterThan(Math.log(20));
    expect(maxLnE).toBeLessThan(limit ?? 0);
    const watching = { ...entered(rollout, 'watch'), state: 'completed' } as const;
    expect(decided(watching)).toMatchObject({ action: 'hold', reasons: [{ code: 'watching' }] });
    expect(decided(watching).checks[0]).toMatchObject({ maxLnE, verdict: 'pass' });
  });

  it('breaks a point limit in three of five windows', () => {
    const point: PlanDocument = {
      ...ONE_STAGE,
      stages: [{ percentage: 50, minBake: '10m' }],
      guardrails: [{ metric: 'errors', kind: 'limit', test: 'point', limit: 0.05, action: 'rollback' }],
    };
    const failures = [0, 90, 0, 90, 0, 0, 90, 90, 0, 90];
    let index = 0;
    const { decisions } = run(startOf(point), 10, () => ({
      canary: quietArm(1000, failures[index++] ?? 0),
      baseline: quietArm(1000),
    }));
    expect(decisions).toHaveLength(8);
    expect(last(decisions)).toMatchObject({ action: 'rollback', reasons: [{ code: 'point_limit' }] });
  });
});
