import type { Rule } from '@fledge/evaluation';
import type { RolloutDocument, StartPreview, TargetingDocument } from '@fledge/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { makeFlag, ROLLOUTS, SHORT_PLAN, startRollout, steer } from '../support/rollout.js';
import { sql } from '../support/sql.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ FLEDGE_RECONCILER: 'off' });
});
afterAll(() => api.stop({ undoing: true }));

const targetingOf = async (flag: string): Promise<TargetingDocument> =>
  (await api.admin.get(targetingPath(flag)).expect(200)).body as TargetingDocument;

const rulesOf = async (flag: string): Promise<readonly Rule[]> => (await targetingOf(flag)).rules;

const command = (rollout: RolloutDocument, name: string, body: object = {}) => steer(api.admin, rollout.id, name, body);

const did = async (rollout: RolloutDocument, name: string, body: object = {}): Promise<RolloutDocument> =>
  (await command(rollout, name, body).expect(200)).body as RolloutDocument;

const eventsOf = async (rollout: RolloutDocument): Promise<string[]> => {
  const { body } = await api.admin.get(`${ROLLOUTS}/${rollout.id}/events`).expect(200);
  return (body as { items: { type: string; reason: string | null }[] }).items.map(({ type, reason }) =>
    reason === null ? type : `${type} ${reason}`,
  );
};

describe('a start', () => {
  it('writes one rule of the flag and nothing else of it', async () => {
    await makeFlag(api, 'one-rule');
    const before = await targetingOf('one-rule');
    const answer = await api.admin.post(ROLLOUTS, { flag: 'one-rule', canary: 'on', plan: SHORT_PLAN }).expect(201);
    const rollout = answer.body as RolloutDocument;
    expect(answer.headers['location']).toBe(`/api/v1${ROLLOUTS}/${rollout.id}`);
    expect(rollout).toMatchObject({ state: 'running', phase: 'baking', stage: 0, percentage: 10, baseline: 'off' });
    const { rules, version, updatedAt: _, ...after } = await targetingOf('one-rule');
    expect({ ...after, rules: [] }).toEqual({
      ...after,
      ...before,
      version: undefined,
      updatedAt: undefined,
      rules: [],
    });
    expect(rules).toEqual([
      {
        id: rollout.ruleId,
        description: expect.stringContaining(rollout.id) as string,
        conditions: [],
        gate: { percentage: 10, bucketBy: 'targetingKey', salt: 'one-rule', otherwise: 'off' },
        serve: { variant: 'on' },
        measure: {
          rollout: rollout.id,
          epoch: version,
          canary: 'on',
          baseline: 'off',
          percentage: 10,
          metrics: { errors: { count: 'unit_window' } },
        },
      },
    ]);
    expect(rollout.epoch).toBe(version);
  });

  it('serves nobody while both arms warm up', async () => {
    const rollout = await startRollout(api, 'warm', { plan: { ...SHORT_PLAN, warmup: '10m' } });
    expect(rollout).toMatchObject({ phase: 'warmup', percentage: 0 });
    const [rule] = await rulesOf('warm');
    expect(rule).toMatchObject({ gate: { percentage: 0 }, measure: { percentage: 10 } });
  });

  it('with an external key that was used before answers the rollout that has it', async () => {
    await makeFlag(api, 'twice');
    const start = () =>
      api.admin.post(ROLLOUTS, { flag: 'twice', canary: 'on', plan: SHORT_PLAN, externalKey: 'run-1' });
    const answers = await Promise.all([start(), start(), start()]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 201]);
    expect(new Set(answers.map(({ body }) => (body as RolloutDocument).id)).size).toBe(1);
    const { body } = await api.admin.get(`${ROLLOUTS}/key:run-1`).expect(200);
    expect(body).toMatchObject({ externalKey: 'run-1', flag: 'twice' });
  });

  it('is refused while another rollout of the flag lives here, however many come at once', async () => {
    await makeFlag(api, 'crowd');
    const start = () => api.admin.post(ROLLOUTS, { flag: 'crowd', canary: 'on', plan: SHORT_PLAN });
    const answers = await Promise.all(Array.from({ length: 6 }, start));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) expectProblem(answer, 409, 'rollout_live');
    expect(await rulesOf('crowd')).toHaveLength(1);
  });

  it('supersedes the live one when it says so, and replaces its rule', async () => {
    const old = await startRollout(api, 'superseded');
    const next = (
      await api.admin
        .post(ROLLOUTS, { flag: 'superseded', canary: 'on', plan: SHORT_PLAN, supersede: true })
        .expect(201)
    ).body as RolloutDocument;
    expect((await api.admin.get(`${ROLLOUTS}/${old.id}`)).body).toMatchObject({
      state: 'cancelled',
      reasons: ['superseded'],
    });
    expect((await rulesOf('superseded')).map(({ id }) => id)).toEqual([next.ruleId]);
  });

  it('enables a disabled flag only when it says so, with the baseline for everybody else', async () => {
    await api.admin.post('/projects/default/flags', { key: 'asleep', type: 'boolean' }).expect(201);
    const body = { flag: 'asleep', canary: 'on', plan: SHORT_PLAN };
    expectProblem(await api.admin.post(ROLLOUTS, body), 409, 'flag_disabled');
    await api.admin.post(ROLLOUTS, { ...body, enable: true }).expect(201);
    expect(await targetingOf('asleep')).toMatchObject({ enabled: true, fallthrough: { variant: 'off' } });
  });

  it('is refused when others than the canary would move, unless that is accepted', async () => {
    await makeFlag(api, 'movers');
    const body = { flag: 'movers', canary: 'on', baseline: 'off', plan: SHORT_PLAN };
    const split = {
      enabled: true,
      offVariant: 'off',
      prerequisites: [],
      rules: [
        {
          id: 'germany',
          conditions: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
          serve: { variant: 'on' },
        },
      ],
      fallthrough: { variant: 'off' },
    };
    await api.admin.put(targetingPath('movers'), split).set('if-match', '*').expect(200);
    // Before every other rule the canary's gate would send Germany to the baseline; and a rollback would bring it back.
    const refused = expectProblem(await api.admin.post(ROLLOUTS, { ...body, position: 'first' }), 409, 'moves_others');
    expect(refused).toHaveProperty('whoMoves');
    expectProblem(
      await api.admin.post(ROLLOUTS, { ...body, position: 'first', acceptMoves: true }),
      409,
      'rollback_moves',
    );
    await api.admin.post(ROLLOUTS, body).expect(201);
  });

  it('is refused when a rollback would not lead back to the baseline', async () => {
    await api.admin.post('/projects/default/flags', { key: 'no-way-back', type: 'boolean' }).expect(201);
    await api.admin.post(`${targetingPath('no-way-back')}/enable`, {}).expect(200);
    const body = { flag: 'no-way-back', canary: 'on', baseline: 'off', plan: SHORT_PLAN, acceptMoves: true };
    expectProblem(await api.admin.post(ROLLOUTS, body), 409, 'rollback_moves');
  });

  it('is refused with a salt that another live rollout draws with', async () => {
    await startRollout(api, 'salty', { salt: 'shared' });
    await makeFlag(api, 'salty-too');
    const body = { flag: 'salty-too', canary: 'on', plan: SHORT_PLAN, salt: 'shared' };
    expectProblem(await api.admin.post(ROLLOUTS, body), 409, 'shared_salt');
    await api.admin.post(ROLLOUTS, { ...body, sharedSalt: true }).expect(201);
  });

  it('names every problem by its place in the request', async () => {
    await makeFlag(api, 'problems');
    expectInvalid(
      await api.admin.post(ROLLOUTS, { flag: 'problems', canary: 'blue', baseline: 'red', plan: 'standard' }),
      '/baseline unknown_variant',
      '/canary unknown_variant',
    );
    expectInvalid(
      await api.admin.post(ROLLOUTS, { flag: 'problems', canary: 'on', plan: { stages: [{ percentage: 200 }] } }),
      '/plan/stages/0/percentage out_of_range',
    );
    expectInvalid(
      await api.admin.post(ROLLOUTS, {
        flag: 'problems',
        canary: 'on',
        plan: 'standard',
        audience: [{ cohorts: ['nobody'] }],
      }),
      '/audience/0/cohorts/0 unknown_cohort',
    );
    expectInvalid(
      await api.admin.post(ROLLOUTS, { flag: 'problems', canary: 'on', plan: 'nightly' }),
      '/plan unknown_plan',
    );
    expectProblem(
      await api.admin.post(ROLLOUTS, { flag: 'nothing', canary: 'on', plan: 'standard' }),
      404,
      'not_found',
    );
  });

  it('says what its stages can expect, and warns of what will be too few', async () => {
    await makeFlag(api, 'expected');
    const body = { flag: 'expected', canary: 'on', plan: 'standard', dryRun: true };
    const asked = async () => (await api.admin.post(ROLLOUTS, body).expect(200)).body as StartPreview;
    const unknown = await asked();
    expect(unknown.warnings).toMatchObject([{ pointer: '/flag', code: 'no_traffic' }]);
    expect(unknown.forecast).toHaveLength(4);
    // 60 a minute for ten minutes, of which only the baseline counts.
    await sql(
      api.databaseUrl,
      `INSERT INTO exposure_minute (environment_id, flag_id, started_at, variant, n)
       SELECT environment.id, flag.id, clock_timestamp() - n * interval '1 minute', variant, 60
       FROM generate_series(1, 10) AS n, environment, flag, unnest(ARRAY['off', 'on']) AS variant
       WHERE environment.key = 'production' AND flag.key = 'expected'`,
    );
    const known = await asked();
    expect(known.forecast.map(({ expected, tooFew }) => [Math.round(expected.requests / 9), tooFew])).toEqual([
      [2, true],
      [20, false],
      [400, false],
      [2_400, false],
    ]);
    expect(known.forecast[0]).toMatchObject({ expected: { units: null }, needed: { 2: 3_277, 3: 977, 5: 313 } });
    expect(known.warnings).toMatchObject([{ pointer: '/plan/stages/0/minSamples', code: 'too_few' }]);
    const started = await api.admin.post(ROLLOUTS, { ...body, dryRun: false }).expect(201);
    const { forecast, warnings } = started.body as RolloutDocument;
    expect(forecast).toHaveLength(4);
    expect(warnings).toEqual(known.warnings);
  });

  it('is warned of a prerequisite that has a live rollout, and of a plan that takes nothing back', async () => {
    await startRollout(api, 'required');
    await makeFlag(api, 'requiring');
    const path = targetingPath('requiring');
    const { version: _, updatedAt: __, key: ___, environment: ____, ...targeting } = await targetingOf('requiring');
    const prerequisites = [{ flag: 'required', variants: ['on', 'off'] }];
    await api.admin
      .put(path, { ...targeting, prerequisites })
      .set('if-match', '*')
      .expect(200);
    const plan = { ...SHORT_PLAN, guardrails: [{ metric: 'errors', action: 'hold' }] };
    const answer = await api.admin
      .post(ROLLOUTS, { flag: 'requiring', canary: 'on', baseline: 'off', plan })
      .expect(201);
    expect((answer.body as RolloutDocument).warnings?.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual(
      expect.arrayContaining(['/flag prerequisite_live', '/plan/guardrails nothing_rolls_back']),
    );
  });

  it('that is only tried says what would happen and writes nothing', async () => {
    await makeFlag(api, 'dry');
    const body = { flag: 'dry', canary: 'on', plan: 'standard', dryRun: true };
    const answer = await api.admin.post(ROLLOUTS, body).expect(200);
    expect(answer.body).toMatchObject({ problems: [], refusal: null, rollout: { planKey: 'standard' } });
    expect(await rulesOf('dry')).toEqual([]);
    const { body: list } = await api.admin.get(`${ROLLOUTS}?flag=dry`).expect(200);
    expect(list).toEqual({ items: [], nextCursor: null });
  });

  it('at a date holds the place and nothing else', async () => {
    const rollout = await startRollout(api, 'later', { startAt: '2099-01-01T00:00:00Z' });
    expect(rollout).toMatchObject({ state: 'scheduled', allowed: ['cancel'], epoch: null });
    expect(await rulesOf('later')).toEqual([]);
    const changesOf = async (key: string): Promise<{ id: string; action: string }[]> =>
      ((await api.admin.get(`/projects/default/changes?key=${key}`).expect(200)).body as { items: [] }).items;
    expect(await changesOf(rollout.id)).toMatchObject([{ action: 'rollout.scheduled' }]);
    await api.admin.post(`${targetingPath('later')}/percentage`, { percentage: 5 }).expect(200);
    expectProblem(
      await api.admin.post(ROLLOUTS, { flag: 'later', canary: 'on', baseline: 'off', plan: SHORT_PLAN }),
      409,
      'rollout_live',
    );
  });

  it('at a date is refused now for what will be wrong then, also while its flag is disabled', async () => {
    await api.admin.post('/projects/default/flags', { key: 'not-yet', type: 'boolean' }).expect(201);
    const body = { flag: 'not-yet', canary: 'on', plan: SHORT_PLAN, startAt: '2099-01-01T00:00:00Z' };
    const audience = [{ attribute: 'country', values: ['DE'] }];
    expectInvalid(await api.admin.post(ROLLOUTS, { ...body, audience }), '/audience/0/operator missing');
    await did((await api.admin.post(ROLLOUTS, body).expect(201)).body as RolloutDocument, 'cancel');
  });

  it('at a date holds its flag, whose making is not undone meanwhile', async () => {
    await api.admin.post('/projects/default/flags', { key: 'unmade', type: 'boolean' }).expect(201);
    const [made] = (await api.admin.get('/projects/default/changes?key=unmade&limit=1').expect(200)).body.items as [
      { id: string },
    ];
    const body = { flag: 'unmade', canary: 'on', enable: true, plan: SHORT_PLAN, startAt: '2099-01-01T00:00:00Z' };
    const rollout = (await api.admin.post(ROLLOUTS, body).expect(201)).body as RolloutDocument;
    const undo = () => api.admin.post(`/projects/default/changes/${made.id}/revert`, {});
    expect(expectProblem(await undo(), 409, 'revert_conflict')['reason']).toBe('referenced');
    await did(rollout, 'cancel');
    await undo().expect(200);
  });
});

describe('a command', () => {
  it('pauses and resumes', async () => {
    const rollout = await startRollout(api, 'pausing');
    expect(await did(rollout, 'pause', { comment: 'lunch' })).toMatchObject({ state: 'paused', percentage: 10 });
    expectProblem(await command(rollout, 'pause'), 409, 'illegal_transition');
    expect(await did(rollout, 'resume')).toMatchObject({ state: 'running', phase: 'baking' });
    expect(await eventsOf(rollout)).toEqual(['started requested', 'paused manual', 'resumed manual']);
  });

  it('promotes stage by stage, keeping everybody in who was in, and completes', async () => {
    const rollout = await startRollout(api, 'promoting');
    const second = await did(rollout, 'promote');
    expect(second).toMatchObject({ state: 'running', stage: 1, percentage: 50 });
    const [rule] = await rulesOf('promoting');
    expect(rule).toMatchObject({
      id: rollout.ruleId,
      gate: { percentage: 50, salt: 'promoting' },
      measure: { epoch: second.epoch },
    });
    expect(second.epoch).toBeGreaterThan(rollout.epoch ?? Infinity);
    expect(await did(rollout, 'promote')).toMatchObject({ state: 'completed', percentage: 100, allowed: [] });
    expect(await targetingOf('promoting')).toMatchObject({ rules: [], fallthrough: { variant: 'on' } });
    expect(await eventsOf(rollout)).toEqual(['started requested', 'promoted promoted', 'completed promoted']);
  });

  it('promotes to everybody at once', async () => {
    const rollout = await startRollout(api, 'all-in', {
      audience: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
    });
    await did(rollout, 'promote', { full: true });
    const { rules, fallthrough } = await targetingOf('all-in');
    expect(fallthrough).toEqual({ variant: 'off' });
    expect(rules).toMatchObject([{ id: rollout.ruleId, serve: { variant: 'on' } }]);
    expect(rules[0]).not.toHaveProperty('gate');
    expect(rules[0]).not.toHaveProperty('measure');
  });

  it('jumps forward and back', async () => {
    const rollout = await startRollout(api, 'jumping');
    expect(await did(rollout, 'jump', { stage: 1 })).toMatchObject({ stage: 1, percentage: 50 });
    expect(await did(rollout, 'jump', { stage: 0 })).toMatchObject({ stage: 0, percentage: 10 });
    expectInvalid(await command(rollout, 'jump', { stage: 3 }), '/stage too_large');
    expect(await did(rollout, 'jump', { stage: 2 })).toMatchObject({ state: 'completed' });
  });

  it('rolls back to exactly what was before', async () => {
    await makeFlag(api, 'back');
    const { version: _, updatedAt: __, ...before } = await targetingOf('back');
    const rollout = (await api.admin.post(ROLLOUTS, { flag: 'back', canary: 'on', plan: SHORT_PLAN }).expect(201))
      .body as RolloutDocument;
    const back = await did(rollout, 'rollback', { comment: 'it hurts' });
    expect(back).toMatchObject({ state: 'rolled_back', percentage: 0, reasons: ['manual'], allowed: ['retry'] });
    expect(back.detail).toBe('Rolled back by hand: it hurts');
    expect(back.seen).toEqual({ instances: 0, onEpoch: 0, oldestEpoch: null });
    expect(await targetingOf('back')).toMatchObject(before);
    const { body } = await api.admin.get(`/projects/default/changes?key=back&limit=1`).expect(200);
    expect(body).toMatchObject({ items: [{ action: 'rollout.rolled_back', comment: 'it hurts' }] });
  });

  it('cancels, keeping what it is told to keep', async () => {
    for (const [keep, rules, fallthrough] of [
      ['current', [{ gate: { percentage: 10 } }], 'off'],
      ['baseline', [], 'off'],
      ['canary', [], 'on'],
    ] as const) {
      const rollout = await startRollout(api, `cancel-${keep}`);
      expect(await did(rollout, 'cancel', { keep })).toMatchObject({ state: 'cancelled' });
      expect(await targetingOf(`cancel-${keep}`)).toMatchObject({ rules, fallthrough: { variant: fallthrough } });
      expect(JSON.stringify(await targetingOf(`cancel-${keep}`))).not.toContain('measure');
    }
  });

  it('starts again with the same users, or with others', async () => {
    const rollout = await startRollout(api, 'again');
    await did(rollout, 'rollback');
    const same = (await command(rollout, 'retry').expect(201)).body as RolloutDocument;
    expect(same).toMatchObject({ retryOf: rollout.id, salt: 'again', plan: rollout.plan, state: 'running' });
    await did(same, 'rollback');
    const other = (await command(same, 'retry', { reshuffle: true }).expect(201)).body as RolloutDocument;
    expect(other.salt).not.toBe('again');
  });

  it('needs an approval where the plan says so, and of somebody else where it says that', async () => {
    const gates = [{ type: 'approval', fourEyes: true }];
    const [first, ...others] = SHORT_PLAN.stages;
    const rollout = await startRollout(api, 'four-eyes', {
      plan: { ...SHORT_PLAN, stages: [{ ...first, gates }, ...others] },
    });
    expectProblem(await command(rollout, 'promote', { comment: 'now' }), 409, 'approval_missing');
    expectProblem(await command(rollout, 'approve'), 409, 'four_eyes');
    const { token } = (
      await api.admin.post('/tokens', { name: 'second', kind: 'management', role: 'operator' }).expect(201)
    ).body as { token: string };
    const approved = await steer(api.as(token), rollout.id, 'approve', { comment: 'fine' }).expect(200);
    expect(approved.body).toMatchObject({ approvals: [{ actor: { name: 'second' }, comment: 'fine' }] });
    expect(await did(rollout, 'promote')).toMatchObject({ stage: 1, approvals: [] });
    expectProblem(await command(rollout, 'approve'), 409, 'illegal_transition');
  });

  it('is refused when it makes no sense, with the state and what does', async () => {
    const rollout = await startRollout(api, 'nonsense');
    await did(rollout, 'rollback');
    for (const name of ['pause', 'resume', 'promote', 'rollback', 'cancel', 'approve']) {
      const body = expectProblem(await command(rollout, name), 409, 'illegal_transition');
      expect(body).toMatchObject({ state: 'rolled_back', allowed: ['retry'] });
    }
    expectProblem(await command({ ...rollout, id: 'nothing' }, 'pause'), 404, 'not_found');
  });

  it('that is repeated with its Idempotency-Key is answered as the first time', async () => {
    const rollout = await startRollout(api, 'repeated');
    const path = `${ROLLOUTS}/${rollout.id}/promote`;
    const promote = () => api.admin.post(path, {}).set('idempotency-key', 'promote-1').expect(200);
    const first = await promote();
    const again = await promote();
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.text).toBe(first.text);
    expect((await api.admin.get(`${ROLLOUTS}/${rollout.id}`)).body).toMatchObject({ stage: 1 });
  });

  it('is held up by no header that is missing', async () => {
    const rollout = await startRollout(api, 'unguarded');
    const taken = await api.admin.post(`${ROLLOUTS}/${rollout.id}/rollback`, { comment: 'now' });
    expect(taken.status).toBe(200);
    expect(taken.body).toMatchObject({ state: 'rolled_back' });
  });

  it('with an If-Match of another version is refused', async () => {
    const rollout = await startRollout(api, 'versions');
    await did(rollout, 'pause');
    expectProblem(await command(rollout, 'resume').set('if-match', `"${rollout.version}"`), 412, 'version_stale');
    await command(rollout, 'resume')
      .set('if-match', `"${rollout.version + 1}"`)
      .expect(200);
  });

  it('pauses everything here at once', async () => {
    const rollouts = [await startRollout(api, 'all-1'), await startRollout(api, 'all-2')];
    const { body } = await api.admin.post(`${ROLLOUTS}/pause-all`, { comment: 'freeze' }).expect(200);
    const ids = (body as { items: RolloutDocument[] }).items.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(rollouts.map(({ id }) => id)));
    const running = await api.admin.get(`${ROLLOUTS}?state=running`).expect(200);
    expect((running.body as { items: unknown[] }).items).toEqual([]);
    const again = await api.admin.post(`${ROLLOUTS}/pause-all`, { comment: 'freeze' }).expect(200);
    expect(again.body).toEqual({ items: [] });
  });

  it('draws other users in the warm-up, and never later', async () => {
    const rollout = await startRollout(api, 'redrawn', { plan: { ...SHORT_PLAN, warmup: '10m' } });
    const note = { comment: 'an unlucky draw', reshuffle: true };
    const drawn = await did(rollout, 'acknowledge', note);
    expect(drawn).toMatchObject({ phase: 'warmup', percentage: 0, bakedMs: 0 });
    expect(drawn.epoch).toBeGreaterThan(rollout.epoch ?? Infinity);
    expect(await rulesOf('redrawn')).toMatchObject([
      { gate: { percentage: 0, salt: drawn.salt }, measure: { epoch: drawn.epoch, percentage: 10 } },
    ]);
    expect(drawn.salt).not.toBe(rollout.salt);
    await did(rollout, 'promote');
    expectProblem(await command(rollout, 'acknowledge', note), 409, 'illegal_transition');
    expectProblem(await command(rollout, 'acknowledge', { comment: 'nothing to note' }), 409, 'illegal_transition');
  });

  it('leaves out no stage that asks for an approval', async () => {
    const [first, second, last] = SHORT_PLAN.stages;
    const stages = [first, { ...second, gates: [{ type: 'approval' }] }, last];
    const rollout = await startRollout(api, 'asks-later', { plan: { ...SHORT_PLAN, warmup: '10m', stages } });
    for (const [name, body] of [
      ['promote', { full: true }],
      ['jump', { stage: 2 }],
    ] as const)
      expectProblem(await command(rollout, name, body), 409, 'approval_missing');
    expect(await did(rollout, 'jump', { stage: 1 })).toMatchObject({ phase: 'baking', stage: 1, percentage: 50 });
    expectProblem(await command(rollout, 'promote', { full: true }), 409, 'approval_missing');
    await did(rollout, 'approve');
    // What was approved is void with the stage.
    expect(await did(rollout, 'jump', { stage: 0 })).toMatchObject({ stage: 0, approvals: [] });
    await did(rollout, 'jump', { stage: 1 });
    expectProblem(await command(rollout, 'promote'), 409, 'approval_missing');
    await did(rollout, 'approve');
    expect(await did(rollout, 'promote', { full: true })).toMatchObject({ state: 'completed', percentage: 100 });
  });
});

describe('while a rollout lives', () => {
  it('every other edit of the flag here is refused', async () => {
    const rollout = await startRollout(api, 'locked');
    const path = targetingPath('locked');
    const { key: _, environment: __, updatedAt: ___, ...document } = await targetingOf('locked');
    const edits = [
      api.admin.put(path, { ...document, fallthrough: { variant: 'on' } }),
      api.admin.put(path, { ...document, offVariant: 'on' }),
      api.admin.put(path, { ...document, rules: [] }),
      api.admin.post(`${path}/percentage`, { percentage: 50 }),
      api.admin.post(`${path}/copy`, { from: 'development' }),
    ];
    for (const answer of await Promise.all(edits))
      expect(expectProblem(answer, 409, 'rollout_live')['rollout']).toBe(rollout.id);
    await api.admin
      .patch('/projects/default/flags/locked', { variants: { on: true, off: false, x: true } })
      .expect(200);
    expectProblem(
      await api.admin.patch('/projects/default/flags/locked', { variants: { on: true, x: true } }),
      409,
      'rollout_live',
    );
    expectProblem(await api.admin.post('/projects/default/flags/locked/archive', {}), 409, 'referenced');
    expectProblem(
      await api.admin.delete('/projects/default/environments/production?confirm=production'),
      409,
      'referenced',
    );
    // What changes nothing is no edit, and other environments are others.
    const { updatedAt: ____, key: _____, environment: ______, ...same } = await targetingOf('locked');
    await api.admin.put(path, same).expect(200);
    await api.admin.post(`${targetingPath('locked', 'development')}/percentage`, { percentage: 5 }).expect(200);
  });

  it('neither undoing nor restoring nor importing edits the flag, and nothing it is in is taken away', async () => {
    await api.admin.post('/projects/default/cohorts', { key: 'beta', included: ['user-1'] }).expect(201);
    const rollout = await startRollout(api, 'guarded', { audience: [{ cohorts: ['beta'] }] });
    const before = await targetingOf('guarded');
    const { body: changes } = await api.admin.get('/projects/default/changes?key=guarded').expect(200);
    const edited = (changes as { items: { id: string; action: string }[] }).items.find(
      ({ action }) => action === 'targeting.updated',
    );
    const { body: exported } = await api.admin.get('/projects/default/export').expect(200);
    const document = exported as { flags: { key: string; targeting: Record<string, TargetingDocument> }[] };
    const flags = document.flags.map((flag) => {
      const { production } = flag.targeting;
      if (flag.key !== 'guarded' || production === undefined) return flag;
      return {
        ...flag,
        targeting: { ...flag.targeting, production: { ...production, fallthrough: { variant: 'on' } } },
      };
    });
    for (const [path, body] of [
      [`/changes/${edited?.id}/revert`, {}],
      ['/environments/production/restore', { version: (rollout.epoch ?? 0) - 1 }],
      ['/import', { ...document, flags }],
    ] as const)
      expect(
        expectProblem(await api.admin.post(`/projects/default${path}`, body), 409, 'rollout_live')['rollout'],
        path,
      ).toBe(rollout.id);
    for (const path of ['/projects/default?confirm=default', '/projects/default/cohorts/beta'])
      expectProblem(await api.admin.delete(path), 409, 'referenced');
    expect(await targetingOf('guarded')).toEqual(before);
    expect((await api.admin.get(`${ROLLOUTS}/${rollout.id}`)).body).toMatchObject({ state: 'running', version: 2 });
  });

  it('a mark that nobody but a rollout may write is refused in a document', async () => {
    await makeFlag(api, 'forged');
    const measure = { rollout: 'x', epoch: 1, canary: 'on', baseline: 'off', percentage: 5, metrics: {} };
    const rules = [{ id: 'r', conditions: [], serve: { variant: 'on' }, measure }];
    const body = { enabled: true, offVariant: 'off', prerequisites: [], rules, fallthrough: { variant: 'off' } };
    expectInvalid(
      await api.admin.put(targetingPath('forged'), body).set('if-match', '*'),
      '/rules/0/measure read_only',
    );
  });

  it('disabling the flag takes it back in the same change, and the flag stays disabled', async () => {
    const rollout = await startRollout(api, 'killed');
    const { body } = await api.admin.post(`${targetingPath('killed')}/disable`, { comment: 'fire' }).expect(200);
    expect(body).toMatchObject({ enabled: false, rules: [] });
    expect((await api.admin.get(`${ROLLOUTS}/${rollout.id}`)).body).toMatchObject({
      state: 'rolled_back',
      reasons: ['kill_switch'],
      epoch: (body as TargetingDocument).version,
    });
    const { body: changes } = await api.admin.get('/projects/default/changes?key=killed&limit=1').expect(200);
    expect(changes).toMatchObject({ items: [{ action: 'targeting.disabled', comment: 'fire' }] });
    expectProblem(await command(rollout, 'retry'), 409, 'flag_disabled');
  });

  it('disabling the flag is asked for once, however many rollouts come and go meanwhile', async () => {
    await startRollout(api, 'restless');
    const start = { flag: 'restless', canary: 'on', baseline: 'off', plan: SHORT_PLAN, supersede: true, enable: true };
    const starts = Array.from({ length: 12 }, () => api.admin.post(ROLLOUTS, start));
    const kills = Array.from({ length: 3 }, () => api.admin.post(`${targetingPath('restless')}/disable`, {}));
    const [answers] = await Promise.all([Promise.all(kills), Promise.all(starts)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('undoing what enabled the flag is the kill switch, too', async () => {
    await makeFlag(api, 'undone');
    await api.admin.post(`${targetingPath('undone')}/disable`, {}).expect(200);
    await api.admin.post(`${targetingPath('undone')}/enable`, {}).expect(200);
    const newest = async (): Promise<string> => {
      const { body } = await api.admin.get('/projects/default/changes?key=undone&limit=1').expect(200);
      return (body as { items: [{ id: string }] }).items[0].id;
    };
    const enabling = await newest();
    const rollout = (await api.admin.post(ROLLOUTS, { flag: 'undone', canary: 'on', plan: SHORT_PLAN }).expect(201))
      .body as RolloutDocument;
    const undo = await api.admin.post(`/projects/default/changes/${enabling}/revert`, { comment: 'fire' }).expect(200);
    expect(undo.body).toMatchObject({ action: 'targeting.disabled', reverts: enabling, comment: 'fire' });
    expect(await targetingOf('undone')).toMatchObject({ enabled: false, rules: [] });
    expect((await api.admin.get(`${ROLLOUTS}/${rollout.id}`)).body).toMatchObject({
      state: 'rolled_back',
      reasons: ['kill_switch'],
    });
    // What the kill switch did is undone as any change is, when nothing lives any more: without what measured it.
    await api.admin.post(`/projects/default/changes/${await newest()}/revert`, {}).expect(200);
    const { enabled, rules } = await targetingOf('undone');
    expect([enabled, JSON.stringify(rules).includes('measure')]).toEqual([true, false]);
  });

  it('a preview says what would be refused, and that the kill switch would not', async () => {
    await startRollout(api, 'previewed');
    const { version: _, updatedAt: __, key: ___, environment: ____, ...targeting } = await targetingOf('previewed');
    const codesOf = async (more: object): Promise<string[]> => {
      const body = { targeting: { ...targeting, ...more } };
      const { body: preview } = await api.admin.post(`${targetingPath('previewed')}/preview`, body).expect(200);
      return (preview as { problems: { code: string }[] }).problems.map(({ code }) => code);
    };
    expect(await codesOf({ fallthrough: { variant: 'on' } })).toEqual(['rollout_live']);
    expect(await codesOf({ enabled: false })).toEqual([]);
  });

  it('disabling a flag also ends what waits for its date, so that nothing turns it on again', async () => {
    const rollout = await startRollout(api, 'killed-early', { startAt: '2099-01-01T00:00:00Z', enable: true });
    await api.admin.post(`${targetingPath('killed-early')}/disable`, {}).expect(200);
    expect((await api.admin.get(`${ROLLOUTS}/${rollout.id}`)).body).toMatchObject({
      state: 'cancelled',
      reasons: ['kill_switch'],
    });
  });

  it('archiving by force ends it, and the flag comes back without its rule', async () => {
    const rollout = await startRollout(api, 'forced');
    await api.admin.post('/projects/default/flags/forced/archive', { force: true }).expect(200);
    expect((await api.admin.get(`${ROLLOUTS}/${rollout.id}`)).body).toMatchObject({
      state: 'cancelled',
      reasons: ['archived'],
    });
    await api.admin.post('/projects/default/flags/forced/restore', {}).expect(200);
    expect(await targetingOf('forced')).toMatchObject({ enabled: false, rules: [] });
  });
});

describe('scripts', () => {
  it('get an answer about any rollout, also one that is not there', async () => {
    const unknown = await api.admin.get(`${ROLLOUTS}/key:nothing/verdict`).expect(200);
    expect(unknown.body).toMatchObject({ verdict: 'inconclusive', reasons: ['unknown_rollout'], guardrails: [] });
    const rollout = await startRollout(api, 'asked');
    const { body } = await api.admin.get(`${ROLLOUTS}/${rollout.id}/verdict`).expect(200);
    expect(body).toMatchObject({ verdict: 'inconclusive', advance: false, rolledBack: false, state: 'running' });
    expect((body as { guardrails: unknown[] }).guardrails).toMatchObject([
      { metric: 'errors', verdict: 'inconclusive' },
    ]);
    await did(rollout, 'rollback');
    const after = await api.admin.get(`${ROLLOUTS}/${rollout.id}/verdict`).expect(200);
    expect(after.body).toMatchObject({ verdict: 'fail', rolledBack: true });
  });

  it('follow its events until it is over, and are told not to come again', async () => {
    const rollout = await startRollout(api, 'followed');
    const follow = (after?: string): Promise<Response> =>
      fetch(`${api.url}/api/v1${ROLLOUTS}/${rollout.id}/events`, {
        headers: {
          authorization: `Bearer ${ADMIN_TOKEN}`,
          accept: 'text/event-stream',
          ...(after === undefined ? {} : { 'last-event-id': after }),
        },
      });
    const stream = await follow();
    await did(rollout, 'pause');
    await did(rollout, 'rollback');
    const text = await stream.text();
    expect([...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type)).toEqual(['started', 'paused', 'rolled_back']);
    const last = [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1];
    expect((await follow(last)).status).toBe(204);
    expect(await (await follow('0')).text()).toContain('event: started');
    // Who broke off comes back to what he has not seen, all of it and nothing else.
    const first = /^id: (.*)$/m.exec(text)?.[1];
    const rest = text.slice(text.lastIndexOf('id: ', text.indexOf('event: paused')));
    expect(await (await follow(first)).text()).toBe(`:\n\n${rest}`);
  });

  it('wait until it has come so far', async () => {
    const rollout = await startRollout(api, 'waited');
    const wait = (query: string) => api.admin.get(`${ROLLOUTS}/${rollout.id}/wait?${query}`);
    const early = await wait('until=stage:1&timeout=0s').expect(202);
    expect(early.body).toMatchObject({ stage: 0 });
    const [answer] = await Promise.all([wait('until=stage:1&timeout=20s'), did(rollout, 'promote')]);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ stage: 1 });
    expectProblem(await wait('until=soon'), 400, 'bad_request');
    expectProblem(await wait('timeout=2h'), 400, 'bad_request');
  });
});
