import { cleanUp, createDataSource, type RolloutDocument, type TargetingDocument } from '@fledge/store';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { CanaryClock, FAULTY, HEALTHY } from '../support/canary-clock.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { ROLLOUTS, SHORT_PLAN, startRollout, steer } from '../support/rollout.js';
import { sql } from '../support/sql.js';

let api: TestApi;
let clock: CanaryClock | undefined;
beforeAll(async () => {
  api = await startApi({ FLEDGE_RECONCILER: 'off' });
});
afterEach(async () => {
  await clock?.close();
  clock = undefined;
});
afterAll(() => api.stop());

async function begin(flag: string, more: object = {}, replicas = 1): Promise<CanaryClock> {
  clock = await CanaryClock.of(api, await startRollout(api, flag, more), replicas);
  return clock;
}

const targetingOf = async (flag: string): Promise<TargetingDocument> =>
  (await api.admin.get(targetingPath(flag)).expect(200)).body as TargetingDocument;

async function eventsOf({ id }: RolloutDocument): Promise<string[]> {
  const { body } = await api.admin.get(`${ROLLOUTS}/${id}/events?limit=200`).expect(200);
  return (body as { items: { type: string }[] }).items.map(({ type }) => type);
}

describe('a healthy canary', () => {
  it('grows from stage to stage and completes, by whichever replica', async () => {
    const canary = await begin('healthy', {}, 3);
    const first = await canary.pass(5, HEALTHY);
    expect(first).toMatchObject({ state: 'running', stage: 0, percentage: 10 });
    const second = await canary.pass(3, HEALTHY);
    expect(second).toMatchObject({ state: 'running', stage: 1, percentage: 50 });
    expect(second.epoch).toBe((await targetingOf('healthy')).version);
    expect(await canary.pass(9, HEALTHY)).toMatchObject({ state: 'completed', percentage: 100 });
    expect(await targetingOf('healthy')).toMatchObject({ rules: [], fallthrough: { variant: 'on' } });
    expect(await eventsOf(canary.rollout)).toEqual(['started', 'advanced', 'completed']);
    const { body } = await api.admin.get('/projects/default/changes?key=healthy&limit=2').expect(200);
    expect(body).toMatchObject({
      items: [
        { action: 'rollout.completed', actor: { id: 'reconciler' } },
        { action: 'rollout.advanced', actor: { id: 'reconciler' } },
      ],
    });
  });

  it('waits at a gate until somebody approves', async () => {
    const [first, ...others] = SHORT_PLAN.stages;
    const stages = [{ ...first, gates: [{ type: 'approval' }] }, ...others];
    const canary = await begin('gated', { plan: { ...SHORT_PLAN, stages } });
    const waiting = await canary.pass(9, HEALTHY);
    expect(waiting).toMatchObject({ phase: 'awaiting_gate', reasons: ['awaiting_approval'] });
    const { id } = canary.rollout;
    const verdict = async () => (await api.admin.get(`${ROLLOUTS}/${id}/verdict`).expect(200)).body as object;
    expect(await verdict()).toMatchObject({ verdict: 'pass', advance: true });
    // While it is paused the bake stands still, the phase stays, and more than its gate holds it.
    await steer(api.admin, id, 'pause').expect(200);
    const paused = await canary.pass(3, HEALTHY);
    expect(paused).toMatchObject({ state: 'paused', phase: 'awaiting_gate', reasons: ['paused'] });
    expect(paused.bakedMs).toBe(waiting.bakedMs);
    expect(await verdict()).toMatchObject({ verdict: 'inconclusive', advance: false });
    const { body } = await steer(api.admin, id, 'resume').expect(200);
    expect(body).toMatchObject({ state: 'running', phase: 'awaiting_gate', stage: 0, percentage: 10 });
    await api.admin.get(`${ROLLOUTS}/${canary.rollout.id}/wait?until=gate&timeout=0s`).expect(200);
    await steer(api.admin, canary.rollout.id, 'approve').expect(200);
    expect(await canary.pass(1, HEALTHY)).toMatchObject({ phase: 'baking', stage: 1, approvals: [] });
  });
});

describe('a canary that fails ten times as often', () => {
  it('is taken back in its first stage, with the figures, and everybody gets the baseline', async () => {
    const canary = await begin('faulty');
    const back = await canary.pass(6, FAULTY);
    expect(back).toMatchObject({ state: 'rolled_back', stage: 0, percentage: 0, reasons: ['guardrail'] });
    expect(back.detail).toMatch(/^errors [\d.]+ % against [\d.]+ %, \d+ of \d+, evidence [\d,^]+ against \d+$/);
    expect(back.progress).toContain(back.detail);
    expect(await targetingOf('faulty')).toMatchObject({ enabled: true, rules: [], fallthrough: { variant: 'off' } });
    const { body } = await api.admin.get(`${ROLLOUTS}/${back.id}/decisions?limit=1`).expect(200);
    const [decision] = (body as { items: { detail: string; checks: { logE: number; logLimit: number }[] }[] }).items;
    expect(decision).toMatchObject({ decision: 'rollback', checks: [{ name: 'errors', verdict: 'fail' }] });
    expect(decision?.detail).toMatch(/\d/);
    expect(decision?.checks[0]?.logE).toBeGreaterThan(decision?.checks[0]?.logLimit ?? Infinity);
  });

  it('is taken back while it is paused, too', async () => {
    const canary = await begin('faulty-paused');
    await steer(api.admin, canary.rollout.id, 'pause').expect(200);
    expect(await canary.pass(6, FAULTY)).toMatchObject({ state: 'rolled_back' });
  });

  it('by hand is taken back with the figures of that moment, and with who serves it still', async () => {
    const canary = await begin('looked-at');
    await canary.pass(1, HEALTHY);
    const { id, epoch } = canary.rollout;
    await sql(
      api.databaseUrl,
      `INSERT INTO outcome_instance (rollout_id, instance, epoch, seen_at)
       VALUES ($1, 'web-1', $2, now()), ($1, 'web-2', $2 - 1, now()), ($1, 'web-3', $2, now() - interval '5 minutes')`,
      [id, epoch],
    );
    expect((await canary.read()).seen).toEqual({ instances: 2, onEpoch: 1, oldestEpoch: (epoch ?? 0) - 1 });
    const { body } = await steer(api.admin, id, 'rollback', { comment: 'I do not like it' }).expect(200);
    expect(body).toMatchObject({
      detail: 'Rolled back by hand: I do not like it; errors 2.5 % against 2.5 %, 1 of 40, evidence 0.29 against 20',
      seen: { instances: 2, onEpoch: 0, oldestEpoch: (epoch ?? 0) - 1 },
    });
  });

  it('that begins in the second stage is found there', async () => {
    const canary = await begin('late');
    expect(await canary.pass(8, HEALTHY)).toMatchObject({ stage: 1 });
    expect(await canary.pass(6, FAULTY)).toMatchObject({ state: 'rolled_back', stage: 1 });
  });

  it('by the word of an outside judge is taken back without any data', async () => {
    const canary = await begin('judged');
    const word = { source: 'load-test', verdict: 'fail', ttl: '1h', reason: 'p99 is up' };
    await api.admin.post(`${ROLLOUTS}/${canary.rollout.id}/verdicts`, word).expect(200);
    expect(await canary.pass(1)).toMatchObject({ state: 'rolled_back', reasons: ['external_verdict'] });
  });
});

describe('a guardrail that only holds', () => {
  const holding = { plan: { ...SHORT_PLAN, guardrails: [{ metric: 'errors', action: 'hold' }] } };

  it('is gone over with a comment, and only warns from then on; one that rolls back is not', async () => {
    const canary = await begin('overridden', holding);
    expect((await canary.pass(6, FAULTY)).reasons).toEqual(['guardrail_hold']);
    const promote = (body: object) => steer(api.admin, canary.rollout.id, 'promote', body);
    expectInvalid(await promote({}), '/comment missing');
    const { body } = await promote({ comment: 'it is the test traffic' }).expect(200);
    expect(body).toMatchObject({ stage: 1, overridden: [0] });
    expect((await canary.pass(2, FAULTY)).reasons).not.toContain('guardrail_hold');
    await canary.close();
    const fatal = await begin('fatal');
    // At its limit, but nobody has decided about it yet.
    await sql(
      api.databaseUrl,
      `UPDATE rollout SET evidence = jsonb_set(jsonb_set(evidence, '{guardrails,0,process}', '{"blocks":9,"lnR":[9],"lnE":9,"maxLnE":9}'),
         '{guardrails,0,seen}', '{"failures":9,"requests":99,"units":9,"windows":9}') WHERE id = $1`,
      [fatal.rollout.id],
    );
    const refused = await steer(api.admin, fatal.rollout.id, 'promote', { full: true, comment: 'I know better' });
    expectProblem(refused, 409, 'guardrail_failed');
  });

  it('says so, also when the same window taught what is slow', async () => {
    const plan = { ...holding.plan, guardrails: [...holding.plan.guardrails, { metric: 'latency', action: 'warn' }] };
    const canary = await begin('taught', { plan });
    const sketch = { o: 200, c: [1_900, 100] };
    let epoch = (await canary.read()).epoch ?? 0;
    for (let index = 0; index < 3; index += 1) {
      canary.advance(10_000);
      canary.show(epoch, FAULTY, 10, index === 1 ? sketch : undefined);
      await canary.decide();
      epoch = (await canary.read()).epoch ?? 0;
    }
    expect(await eventsOf(canary.rollout)).toEqual(['started', 'learned', 'held']);
  });
});

describe('a canary never', () => {
  it('advances without fresh data: it holds, says so, and goes on by itself', async () => {
    const canary = await begin('silent');
    await canary.pass(3, HEALTHY);
    const silent = await canary.pass(20);
    expect(silent).toMatchObject({ state: 'running', stage: 0, reasons: ['no_data'] });
    // The clock stood still meanwhile.
    expect(silent.bakedMs).toBeLessThanOrEqual(40_000);
    expect(await canary.pass(5, HEALTHY)).toMatchObject({ stage: 1 });
    const { body } = await api.admin.get(`${ROLLOUTS}/${canary.rollout.id}/events`).expect(200);
    const events = (body as { items: { type: string; reason: string | null }[] }).items;
    expect(events.map(({ type, reason }) => [type, reason])).toEqual([
      ['started', 'requested'],
      ['held', 'no_data'],
      ['continued', 'no_data'],
      ['advanced', 'stage_passed'],
    ]);
  });

  it('advances while it sends nothing: a crash is neither good nor bad', async () => {
    const canary = await begin('crashing');
    const crashed = await canary.pass(15, { baseline: 0.025 });
    expect(crashed).toMatchObject({ state: 'running', stage: 0, bakedMs: 0 });
    expect(crashed.reasons.length).toBeGreaterThan(0);
  });

  it('bakes faster by an outage, a step of the clock, or reports of an earlier epoch', async () => {
    const canary = await begin('clocks');
    canary.advance(3_600_000);
    // Two windows at most, however long nobody looked.
    expect((await canary.pass(1, HEALTHY)).bakedMs).toBeLessThanOrEqual(20_000);
    canary.advance(-1_800_000);
    expect((await canary.pass(1, HEALTHY)).bakedMs).toBeLessThanOrEqual(20_000);
    const { bakedMs, epoch } = await canary.read();
    for (let index = 0; index < 10; index += 1) {
      canary.advance(10_000);
      canary.show((epoch ?? 0) - 1, HEALTHY, 10);
      await canary.decide();
    }
    expect(await canary.read()).toMatchObject({ stage: 0, bakedMs });
  });

  it('advances twice, however many replicas decide at once', async () => {
    const canary = await begin('crowded', {}, 8);
    for (let index = 0; index < 12; index += 1) {
      const { epoch, percentage } = await canary.read();
      canary.advance(10_000);
      canary.show(epoch ?? 0, HEALTHY, percentage);
      await Promise.all(canary.replicas.map((replica) => replica.tick(new Date(canary.now))));
    }
    expect(await canary.read()).toMatchObject({ stage: 1 });
    expect(await eventsOf(canary.rollout)).toEqual(['started', 'advanced']);
    const decided = await sql<{ most: number }>(
      api.databaseUrl,
      `SELECT max(count)::int AS most FROM (SELECT count(*) FROM rollout_decision WHERE rollout_id = $1 GROUP BY at) AS each`,
      [canary.rollout.id],
    );
    expect(decided).toEqual([{ most: 1 }]);
  });

  it('leaves its evidence behind when the replica changes after every window', async () => {
    const alone = await begin('alone');
    await alone.pass(4, HEALTHY);
    const evidenceOf = async (id: string) =>
      (
        await sql<{ guardrails: unknown }>(
          api.databaseUrl,
          `SELECT evidence #> '{guardrails,0,process}' AS guardrails FROM rollout WHERE id = $1`,
          [id],
        )
      )[0];
    const expected = await evidenceOf(alone.rollout.id);
    await alone.close();
    const turns = await begin('turns', {}, 4);
    await turns.pass(4, HEALTHY);
    expect(await evidenceOf(turns.rollout.id)).toEqual(expected);
  });
});

describe('trouble', () => {
  it('with one rollout five times in a row pauses it and leaves the others alone', async () => {
    const canary = await begin('broken');
    const other = await startRollout(api, 'beside');
    canary.broken = true;
    for (let index = 0; index < 6; index += 1) {
      canary.advance(90_000);
      await canary.decide();
    }
    canary.broken = false;
    expect(await canary.read()).toMatchObject({
      state: 'paused',
      reasons: expect.arrayContaining(['engine_error']) as string[],
    });
    const { body } = await api.admin.get(`${ROLLOUTS}/${other.id}/decisions`).expect(200);
    expect((body as { items: unknown[] }).items.length).toBeGreaterThan(3);
    await steer(api.admin, other.id, 'rollback').expect(200);
  });

  it('with the flag itself pauses it instead of writing over what somebody did', async () => {
    const canary = await begin('vanished');
    await sql(
      api.databaseUrl,
      `UPDATE targeting SET document = jsonb_set(document, '{rules}', '[]')
       WHERE flag_id = (SELECT flag_id FROM rollout WHERE id = $1)`,
      [canary.rollout.id],
    );
    expect(await canary.pass(9, HEALTHY)).toMatchObject({
      state: 'paused',
      stage: 0,
      reasons: expect.arrayContaining(['config_error']) as string[],
    });
    expect((await targetingOf('vanished')).rules).toEqual([]);
  });
});

describe('a date', () => {
  it('starts what waits for it', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const canary = await begin('dated', { startAt });
    canary.now = Date.parse(startAt) - 60_000;
    await canary.decide();
    expect(await canary.read()).toMatchObject({ state: 'scheduled' });
    canary.advance(61_000);
    await canary.decide();
    expect(await canary.read()).toMatchObject({ state: 'running', percentage: 10 });
    expect((await targetingOf('dated')).rules).toMatchObject([{ id: canary.rollout.ruleId }]);
  });

  it('cancels what can no longer start, and says why', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const canary = await begin('dated-badly', { startAt });
    const on = { enabled: true, offVariant: 'off', prerequisites: [], rules: [], fallthrough: { variant: 'on' } };
    await api.admin.put(targetingPath('dated-badly'), on).set('if-match', '*').expect(200);
    canary.now = Date.parse(startAt) + 1_000;
    await canary.decide();
    expect(await canary.read()).toMatchObject({ state: 'cancelled', reasons: ['start_refused'] });
    expect(await targetingOf('dated-badly')).toMatchObject({ rules: [], fallthrough: { variant: 'on' } });
  });

  it('turns nothing on that somebody has turned off meanwhile', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const canary = await begin('dated-off', { startAt, enable: true });
    const off = { enabled: false, offVariant: 'off', prerequisites: [], rules: [], fallthrough: { variant: 'on' } };
    await api.admin.put(targetingPath('dated-off'), off).set('if-match', '*').expect(200);
    canary.now = Date.parse(startAt) + 1_000;
    await canary.decide();
    expect(await canary.read()).toMatchObject({ state: 'cancelled', reasons: ['start_refused'] });
    expect(await targetingOf('dated-off')).toMatchObject({ enabled: false, rules: [] });
  });
});

describe('while everything here is paused, a date', () => {
  it('starts nothing until somebody resumes it', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const canary = await begin('held-back', { startAt });
    const { id } = canary.rollout;
    const { body } = await api.admin.post(`${ROLLOUTS}/pause-all`, { comment: 'freeze' }).expect(200);
    expect(body).toMatchObject({
      items: [{ id, state: 'scheduled', reasons: ['paused'], allowed: ['resume', 'cancel'] }],
    });
    canary.now = Date.parse(startAt) + 3_600_000;
    await canary.decide();
    expect(await canary.read()).toMatchObject({
      state: 'scheduled',
      progress: expect.stringContaining('resumed') as string,
    });
    const resumed = await steer(api.admin, id, 'resume').expect(200);
    expect(resumed.body).toMatchObject({ state: 'scheduled', reasons: [], allowed: ['cancel'] });
    await canary.decide();
    expect(await canary.read()).toMatchObject({ state: 'running', percentage: 10 });
    expect(await eventsOf(canary.rollout)).toEqual(['scheduled', 'paused', 'resumed', 'started']);
  });
});

describe('after completion', () => {
  const watched = {
    plan: {
      ...SHORT_PLAN,
      guardrails: [{ metric: 'errors' }, { metric: 'errors', kind: 'limit', test: 'rate', limit: 0.05 }],
      watch: '3m',
    },
  };

  const completed = async (flag: string): Promise<CanaryClock> => {
    const canary = await begin(flag, watched);
    const answer = await steer(api.admin, canary.rollout.id, 'promote', { full: true });
    expect(answer.body).toMatchObject({ state: 'completed' });
    return canary;
  };

  it('an absolute limit that breaks while it is watched takes it back', async () => {
    const canary = await completed('watched');
    expect(await targetingOf('watched')).toMatchObject({ measure: { rollout: canary.rollout.id } });
    const back = await canary.pass(8, { canary: 0.3 });
    expect(back).toMatchObject({ state: 'rolled_back' });
    const targeting = await targetingOf('watched');
    expect(targeting).toMatchObject({ rules: [], fallthrough: { variant: 'off' } });
    expect(targeting).not.toHaveProperty('measure');
  });

  it('the watch ends by itself, and takes the mark off', async () => {
    const canary = await completed('watched-well');
    expect(await canary.pass(22, { canary: 0.01 })).toMatchObject({
      state: 'completed',
      watchUntil: null,
    });
    expect(await targetingOf('watched-well')).not.toHaveProperty('measure');
    expect(await eventsOf(canary.rollout)).toEqual(['started', 'completed', 'watch_ended']);
  });

  it('an edit by hand ends the watch, and nothing is taken back', async () => {
    const canary = await completed('watched-edited');
    await api.admin.post(`${targetingPath('watched-edited')}/percentage`, { percentage: 40 }).expect(200);
    await canary.pass(8, { canary: 0.3 });
    expect(await canary.read()).toMatchObject({ state: 'completed', watchUntil: null });
    expect((await targetingOf('watched-edited')).rules).toMatchObject([{ id: 'percentage' }]);
  });

  it('so does one of a rule that stays, mark and all', async () => {
    const [stage] = SHORT_PLAN.stages;
    const canary = await begin('watched-rule', { plan: { ...watched.plan, stages: [stage] } });
    await steer(api.admin, canary.rollout.id, 'promote').expect(200);
    const { updatedAt: _, key: __, environment: ___, rules, ...rest } = await targetingOf('watched-rule');
    const edited = rules.map((rule) => ({ ...rule, gate: { ...rule.gate, percentage: 30 } }));
    await api.admin.put(targetingPath('watched-rule'), { ...rest, rules: edited }).expect(200);
    expect(await canary.pass(8, { canary: 0.3 })).toMatchObject({ state: 'completed', watchUntil: null });
    expect((await targetingOf('watched-rule')).rules).toMatchObject([{ gate: { percentage: 30 } }]);
    expect((await eventsOf(canary.rollout)).at(-1)).toBe('watch_ended');
  });

  it('so does the next rollout of the flag, which leads back to what this one left', async () => {
    const canary = await completed('watched-again');
    const next = (
      await api.admin.post(ROLLOUTS, { flag: 'watched-again', canary: 'off', plan: SHORT_PLAN }).expect(201)
    ).body as RolloutDocument;
    expect(next).toMatchObject({ state: 'running', baseline: 'on' });
    await canary.pass(8, { canary: 0.3 });
    expect(await canary.read()).toMatchObject({ state: 'completed', watchUntil: null });
    await steer(api.admin, next.id, 'rollback').expect(200);
    expect(await targetingOf('watched-again')).toMatchObject({ rules: [], fallthrough: { variant: 'on' } });
  });

  it('what is archived meanwhile stays where nobody is served it, and comes back unwatched', async () => {
    const canary = await completed('watched-archived');
    const sdk = api.as(await api.sdkKey());
    type Body = { readonly version: number; readonly flags: object };
    const served = async (): Promise<Body> => (await sdk.get('/sdk/v1/snapshot').expect(200)).body as Body;
    expect((await served()).flags).toHaveProperty('watched-archived');
    await api.admin.post('/projects/default/flags/watched-archived/archive', {}).expect(200);
    const ended = await canary.pass(22, { canary: 0.01 });
    expect(ended).toMatchObject({ state: 'completed', watchUntil: null });
    await expect.poll(async () => (await served()).version).toBeGreaterThanOrEqual(ended.epoch ?? Infinity);
    expect((await served()).flags).not.toHaveProperty('watched-archived');
    await api.admin.post('/projects/default/flags/watched-archived/restore', {}).expect(200);
    expect(await targetingOf('watched-archived')).not.toHaveProperty('measure');
  });

  it('what is deleted meanwhile comes back without its mark', async () => {
    await completed('watched-gone');
    await api.admin.post('/projects/default/flags/watched-gone/archive', {}).expect(200);
    await api.admin.delete('/projects/default/flags/watched-gone').expect(204);
    const { body } = await api.admin.get('/projects/default/changes?key=watched-gone&limit=1').expect(200);
    const [deleted] = (body as { items: [{ id: string }] }).items;
    clock = undefined;
    await api.admin.post(`/projects/default/changes/${deleted.id}/revert`, {}).expect(200);
    const targeting = await targetingOf('watched-gone');
    expect(targeting).toMatchObject({ fallthrough: { variant: 'on' } });
    expect(targeting).not.toHaveProperty('measure');
  });
});

describe('ticks', () => {
  it('that are older than a month are thinned out: what they did stays, and one an hour', async () => {
    const canary = await begin('long-ago');
    await canary.pass(3, HEALTHY);
    await canary.pass(12);
    await canary.pass(9, HEALTHY);
    const { id } = canary.rollout;
    const read = async () => {
      const { body } = await api.admin.get(`${ROLLOUTS}/${id}/decisions?limit=200`).expect(200);
      return (body as { items: { decision: string; reasons: string[]; checks: unknown[] }[] }).items.toReversed();
    };
    const all = await read();
    const news = all.filter(
      ({ decision, reasons }, index) => decision !== 'hold' || reasons.join() !== all[index - 1]?.reasons.join(),
    );
    const dataSource = await createDataSource({ url: api.databaseUrl, poolSize: 1 }).initialize();
    await cleanUp(dataSource);
    expect(await read()).toEqual(all);
    const noon = `date_trunc('day', now()) - interval '40 days' + interval '12 hours'`;
    await sql(api.databaseUrl, `UPDATE rollout SET created_at = ${noon} WHERE id = $1`, [id]);
    await sql(
      api.databaseUrl,
      `UPDATE rollout_decision SET at = ${noon} + place * interval '1 minute'
       FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM rollout_decision WHERE rollout_id = $1) AS placed
       WHERE placed.id = rollout_decision.id`,
      [id],
    );
    for (let round = 0; round < 2; round += 1) await cleanUp(dataSource);
    await dataSource.destroy();
    const left = await read();
    const bare = (items: typeof all) => items.map(({ decision, reasons, checks }) => ({ decision, reasons, checks }));
    expect(bare(left)).toEqual(bare([...news, ...all.slice(-1).filter((last) => !news.includes(last))]));
    expect(left.length).toBeLessThan(all.length / 2);
  });
});
