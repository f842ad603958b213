import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type Client, type TestApi } from '../support/api.js';
import { expectProblem } from '../support/problem.js';
import { changesToUndo, everythingOf } from '../support/revertable.js';
import { sql } from '../support/sql.js';

type Change = { readonly id: string; readonly at: string; readonly action: string; readonly reverts: string | null };
type Step = readonly [action: string, write: () => PromiseLike<{ status: number; body: unknown }>];

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.admin.post('/projects/default/flags', { key: 'payments', type: 'boolean' }).expect(201);
});
afterAll(() => api.stop({ undoing: true }));

const FLAG = '/projects/default/flags/checkout';
const COHORT = '/projects/default/cohorts/staff';
const PLACE = targetingPath('checkout');
const PLANS = '/projects/default/rollout-plans';
const PLAN = { stages: [{ percentage: 10 }, { percentage: 100 }], guardrails: [{ metric: 'errors' }] };

const newest = async (): Promise<Change> =>
  (await api.admin.get('/changes?limit=1').expect(200)).body.items[0] as Change;
const undo = (id: string, body: object = {}) => api.admin.post(`/changes/${id}/revert`, body);
const state = (): Promise<string> => everythingOf(api.admin, 'default');

const RULES = [
  { id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } },
  { id: 'de', conditions: [{ attribute: 'country', operator: 'in', values: ['DE'] }], serve: { variant: 'on' } },
];
const DOCUMENT = {
  enabled: true,
  offVariant: 'off',
  prerequisites: [{ flag: 'payments', variants: ['on'] }],
  rules: RULES,
  fallthrough: null,
};

/** Every kind of change there is, in an order in which each is legal. */
const steps = (admin: Client): readonly Step[] => [
  ['project.updated', () => admin.patch('/projects/default', { name: 'Shop', description: 'x' })],
  ['environment.created', () => admin.post('/projects/default/environments', { key: 'staging' })],
  [
    'cohort.created',
    () => admin.post('/projects/default/cohorts', { key: 'staff', included: ['a', 'b'], excluded: ['c'] }),
  ],
  [
    'flag.created',
    () => admin.post('/projects/default/flags', { key: 'checkout', type: 'boolean', tags: ['a'], owner: 'x' }),
  ],
  ['targeting.enabled', () => admin.post(`${PLACE}/enable`)],
  ['targeting.percentage', () => admin.post(`${PLACE}/percentage`, { percentage: 5 })],
  ['targeting.updated', () => admin.put(PLACE, DOCUMENT).set('if-match', '*')],
  ['targeting.copied', () => admin.post(`${targetingPath('checkout', 'staging')}/copy`, { from: 'production' })],
  ['targeting.disabled', () => admin.post(`${PLACE}/disable`)],
  ['environment.restored', () => admin.post('/projects/default/environments/production/restore', { version: 3 })],
  [
    'flag.updated',
    () =>
      admin.patch(FLAG, {
        name: 'New',
        variants: { on: true, off: false, z: true },
        variantInfo: { on: { name: 'On' } },
        metadata: { b: 1, a: 'x' },
        tags: ['z', 'a'],
        owner: null,
        permanent: true,
        defaultVariant: 'off',
      }),
  ],
  ['cohort.members', () => admin.post(`${COHORT}/members`, { list: 'included', add: ['d', 'e'], remove: ['a'] })],
  [
    'cohort.updated',
    () =>
      admin
        .put(COHORT, {
          name: 'Us',
          attribute: 'email',
          included: ['c', 'd'],
          excluded: ['b'],
          rules: [{ conditions: [{ attribute: 'plan', operator: 'in', values: ['pro'] }] }],
        })
        .set('if-match', '*'),
  ],
  [
    'environment.updated',
    () => admin.patch('/projects/default/environments/staging', { name: 'Stage', protected: true }),
  ],
  [
    'environment.updated',
    () => admin.patch('/projects/default/environments/staging', { protected: false, comment: 'why not' }),
  ],
  ['targeting.enabled', () => admin.post(`${PLACE}/enable`)],
  ['flag.archived', () => admin.post(`${FLAG}/archive`)],
  ['flag.restored', () => admin.post(`${FLAG}/restore`)],
  ['flag.archived', () => admin.post(`${FLAG}/archive`)],
  ['flag.deleted', () => admin.delete(FLAG)],
  ['rollout-plan.created', () => admin.post(PLANS, { key: 'slow', plan: PLAN })],
  ['rollout-plan.updated', () => admin.put(`${PLANS}/slow`, { name: 'Slow', plan: PLAN }).set('if-match', '*')],
  ['rollout-plan.created', () => admin.post(PLANS, { key: 'fast', description: 'x', plan: PLAN })],
  ['rollout-plan.deleted', () => admin.delete(`${PLANS}/fast`)],
  ['cohort.deleted', () => admin.delete(COHORT)],
  ['environment.deleted', () => admin.delete('/projects/default/environments/staging?confirm=staging')],
  ['project.deleted', () => admin.delete('/projects/default?confirm=default')],
];

describe('every kind of change', () => {
  it('can be undone to the same documents, byte for byte, and done again by undoing that', async () => {
    let before = await state();
    for (const [action, write] of steps(api.admin)) {
      const answer = await write();
      expect({ action, status: answer.status, body: answer.body }).toMatchObject({
        status: expect.toSatisfy((is: number) => is < 300) as number,
      });
      const change = await newest();
      expect(change).toMatchObject({ action, reverts: null });
      const after = await state();
      expect(after, action).not.toBe(before);

      const looked = await undo(change.id, { dryRun: true, comment: 'a look' });
      expect({ action, status: looked.status, body: looked.body }).toMatchObject({ status: 200 });
      expect(await newest()).toEqual(change);

      const undone = await undo(change.id, { comment: 'oops' });
      expect({ action, status: undone.status, body: undone.body }).toMatchObject({ status: 200 });
      expect(await newest()).toMatchObject({ reverts: change.id, comment: 'oops', id: undone.body.id as string });
      expect(await state(), `${action}, undone`).toBe(before);

      const redone = await undo(undone.body.id as string, { comment: 'after all' });
      expect({ action, status: redone.status, body: redone.body }).toMatchObject({ status: 200 });
      expect(await state(), `${action}, undone and redone`).toBe(after);
      before = after;
    }
  }, 180_000);

  it('leads back to the beginning when all are undone, the newest first', async () => {
    // The project is deleted at this point, so that what is undone first brings it back.
    const [first] = await sql<{ id: string }>(
      api.databaseUrl,
      `SELECT id::text AS id FROM change WHERE subject_key = 'payments'`,
    );
    for (const { id, action } of await changesToUndo(api.databaseUrl, first?.id ?? '')) {
      const answer = await undo(id, { comment: 'back' });
      expect({ action, status: answer.status, body: answer.body }).toMatchObject({ status: 200 });
    }
    const snapshot = await state();
    expect(JSON.parse(snapshot)).toMatchObject([
      { key: 'default', name: 'Default' },
      [{ key: 'development' }, { key: 'production' }],
      [{ key: 'payments' }],
      {},
      {},
    ]);
  }, 180_000);
});

describe('undoing', () => {
  it('leaves what others did beside it', async () => {
    await api.admin.post('/projects/default/flags', { key: 'shared', type: 'boolean' }).expect(201);
    await api.admin.post(`${targetingPath('shared')}/enable`).expect(200);
    const enabled = await newest();
    await api.admin.post(`${targetingPath('shared')}/percentage`, { percentage: 5 }).expect(200);
    await undo(enabled.id).expect(200);
    const { body } = await api.admin.get(targetingPath('shared')).expect(200);
    expect(body).toMatchObject({ enabled: false, rules: [{ id: 'percentage', gate: { percentage: 5 } }] });
  });

  it('is refused with the later changes that are in the way, and works again when those are undone', async () => {
    await api.admin.post('/projects/default/flags', { key: 'contested', type: 'boolean' }).expect(201);
    const place = targetingPath('contested');
    await api.admin.post(`${place}/percentage`, { percentage: 5 }).expect(200);
    const first = await newest();
    await api.admin.post(`${place}/percentage`, { percentage: 10 }).expect(200);
    const second = await newest();
    const problem = expectProblem(await undo(first.id), 409, 'revert_conflict');
    expect(problem).toMatchObject({ fields: ['rules'], changes: [{ id: second.id, action: 'targeting.percentage' }] });
    expect(problem.detail).toContain(second.id);
    expect(await newest()).toEqual(second);
    await undo(second.id).expect(200);
    await undo(first.id).expect(200);
    expectProblem(await undo(first.id), 409, 'revert_conflict');
  });

  it('names what has gone since that the document needs', async () => {
    await api.admin.post('/projects/default/cohorts', { key: 'fleeting' }).expect(201);
    await api.admin.post('/projects/default/flags', { key: 'needy', type: 'boolean' }).expect(201);
    const rules = [{ id: 'r', conditions: [{ cohorts: ['fleeting'] }], serve: { variant: 'on' } }];
    await api.admin
      .put(targetingPath('needy'), { ...DOCUMENT, prerequisites: [], rules })
      .set('if-match', '*')
      .expect(200);
    await api.admin
      .put(targetingPath('needy'), { ...DOCUMENT, prerequisites: [], rules: [] })
      .set('if-match', '*')
      .expect(200);
    const change = await newest();
    await api.admin.delete('/projects/default/cohorts/fleeting').expect(204);
    expect(expectProblem(await undo(change.id), 409, 'revert_conflict')).toMatchObject({
      reason: 'invalid',
      errors: [{ pointer: '/rules/0/conditions/0/cohorts/0' }],
      changes: [{ action: 'cohort.deleted', subject: { key: 'fleeting' } }],
    });
  });

  it('does not take away what has been worked with', async () => {
    await api.admin.post('/projects/default/flags', { key: 'worked', type: 'boolean' }).expect(201);
    const made = await newest();
    await api.admin.post(`${targetingPath('worked')}/enable`).expect(200);
    const problem = expectProblem(await undo(made.id), 409, 'revert_conflict');
    expect(problem).toMatchObject({ changes: [{ action: 'targeting.enabled' }] });
  });

  it('is hindered neither by what has the same key and is something else, nor by a token that has ended', async () => {
    await api.admin.post('/projects/default/flags', { key: 'twin', type: 'boolean' }).expect(201);
    const flag = await newest();
    await api.admin.post('/projects/default/cohorts', { key: 'twin' }).expect(201);
    await undo(flag.id).expect(200);
    await api.admin.post('/projects/default/environments', { key: 'brief', protected: true, comment: 'x' }).expect(201);
    const environment = await newest();
    const { body } = await api.admin
      .post('/tokens', { name: 'brief', kind: 'sdk', project: 'default', environment: 'brief' })
      .expect(201);
    expectProblem(await undo(environment.id, { comment: 'too soon' }), 409, 'revert_conflict');
    await api.admin.delete(`/tokens/${body.id as string}`).expect(204);
    // It is protected, so nobody unmakes it without a word why.
    expectProblem(await undo(environment.id), 422, 'comment_required');
    await undo(environment.id, { comment: 'not needed' }).expect(200);
  });

  it('brings back the keys of an environment, and of a project none', async () => {
    const key = api.as(await api.sdkKey('development'));
    await api.admin.delete('/projects/default/environments/development?confirm=development').expect(204);
    const gone = await newest();
    expectProblem(await key.get('/sdk/v1/snapshot'), 401, 'token_refused');
    await undo(gone.id).expect(200);
    await expect.poll(async () => (await key.get('/sdk/v1/snapshot')).status, { timeout: 5_000 }).toBe(200);
    await api.admin.delete('/projects/default?confirm=default').expect(204);
    await undo((await newest()).id).expect(200);
    await expect.poll(async () => (await key.get('/sdk/v1/snapshot')).status, { timeout: 5_000 }).toBe(401);
  });

  it('never brings back a member who has been erased', async () => {
    await api.admin.post('/projects/default/cohorts', { key: 'erased', included: ['stays', 'forgotten'] }).expect(201);
    await api.admin.delete('/projects/default/cohorts/erased').expect(204);
    const gone = await newest();
    await sql(api.databaseUrl, `DELETE FROM cohort_member WHERE unit = 'forgotten'`);
    await undo(gone.id).expect(200);
    const { items } = (await api.admin.get('/projects/default/cohorts/erased/members').expect(200)).body;
    expect(items).toEqual([{ unit: 'stays', list: 'included' }]);
  });

  it('takes what doing takes', async () => {
    const editor = api.as(
      (await api.admin.post('/tokens', { name: 'e', kind: 'management', role: 'editor' }).expect(201)).body
        .token as string,
    );
    await api.admin.patch('/projects/default', { name: 'Other' }).expect(200);
    const project = await newest();
    expectProblem(await editor.post(`/projects/default/changes/${project.id}/revert`), 403, 'forbidden');
    await api.admin.post('/projects/default/flags', { key: 'edited', type: 'boolean' }).expect(201);
    const flag = await newest();
    await editor.post(`/projects/default/changes/${flag.id}/revert`).expect(200);
    expectProblem(await editor.post(`/projects/default/changes/0/revert`), 404, 'not_found');
    expectProblem(await editor.post(`/projects/default/changes/x/revert`), 404, 'not_found');
  });

  it('revokes a token that was made, and has no way back for one that has ended', async () => {
    const { body } = await api.admin.post('/tokens', { name: 'x', kind: 'management', role: 'viewer' }).expect(201);
    await undo((await newest()).id).expect(200);
    expectProblem(await api.as(body.token as string).get('/projects'), 401, 'token_refused');
    const refused = expectProblem(await undo((await newest()).id), 409, 'not_revertable');
    expect(refused.detail).toContain('make a new one');
  });

  it('puts back what a webhook was told, takes away one that was made, and says what to do about its secret', async () => {
    const hooks = '/projects/default/webhooks';
    const url = 'https://hooks.example.com/first-path';
    await api.admin.post(hooks, { key: 'chat', url, events: ['rollout.held'] }).expect(201);
    const made = await newest();
    const shown = async () => (await api.admin.get(`${hooks}/chat`).expect(200)).body as Record<string, unknown>;
    const first = await shown();
    const edit = {
      url: 'https://hooks.example.com/other',
      events: ['rollout.completed'],
      environments: ['production'],
    };
    await api.admin.patch(`${hooks}/chat`, edit).expect(200);
    const edited = await newest();
    // What changes nothing is no change.
    await api.admin.patch(`${hooks}/chat`, edit).expect(200);
    expect(await newest()).toEqual(edited);
    await api.admin.patch(`${hooks}/chat`, { description: 'ours' }).expect(200);
    expectProblem(await undo(made.id), 409, 'revert_conflict');
    const editor = api.as(
      (await api.admin.post('/tokens', { name: 'x', kind: 'management', role: 'editor' }).expect(201)).body
        .token as string,
    );
    const path = `/projects/default/changes/${edited.id}/revert`;
    expectProblem(await editor.post(path), 403, 'forbidden');
    const undone = await undo(edited.id).expect(200);
    expect(await shown()).toMatchObject({ ...bare(first), description: 'ours' });
    // Nobody reads the path in the log, which holds what one was as well.
    expect(JSON.stringify(undone.body)).not.toMatch(/first-path|other/);
    await undo(undone.body.id as string).expect(200);
    expect(await shown()).toMatchObject(edit);
    await api.admin.patch(`${hooks}/chat`, { url: 'https://hooks.example.com/third' }).expect(200);
    expectProblem(await undo(edited.id), 409, 'revert_conflict');

    const instead = async (): Promise<string> =>
      expectProblem(await undo((await newest()).id), 409, 'not_revertable').detail;
    await api.admin.post(`${hooks}/chat/rotate`, {}).expect(200);
    expect(await instead()).toContain('rotate once more');
    await api.admin.delete(`${hooks}/chat`).expect(204);
    expect(await instead()).toContain('make it anew');
    await api.admin.post(hooks, { key: 'chat', url }).expect(201);
    const again = await newest();
    await api.admin.post(`${hooks}/chat/rotate`, {}).expect(200);
    await undo(again.id).expect(200);
    await api.admin.get(`${hooks}/chat`).expect(404);
  });
});

/** Without what a document carries about itself. */
const bare = ({ version: _, updatedAt: __, description: ___, ...document }: Record<string, unknown>) => document;

describe('an environment', () => {
  it('is brought back to how it stood at a version or an instant, as one change', async () => {
    const root = '/projects/default/environments/production';
    const key = api.as(await api.sdkKey());
    const flags = ['one', 'two', 'three'];
    for (const flag of flags)
      await api.admin.post('/projects/default/flags', { key: flag, type: 'boolean' }).expect(201);
    await api.admin.post(`${targetingPath('one')}/percentage`, { percentage: 5 }).expect(200);
    const { body: then } = await api.admin.post(`${targetingPath('two')}/enable`).expect(200);
    const documents = async (): Promise<string> =>
      JSON.stringify(
        await Promise.all(flags.map(async (flag) => (await api.admin.get(targetingPath(flag))).body as object)),
        (name, value: unknown) => (name === 'version' || name === 'updatedAt' ? undefined : value),
      );
    const stood = await documents();
    const at = new Date(Date.parse((await newest()).at) + 1).toISOString();
    await new Promise((resolve) => setTimeout(resolve, 10));
    await api.admin.post(`${targetingPath('one')}/percentage`, { percentage: 50 }).expect(200);
    await api.admin.post(`${targetingPath('two')}/disable`).expect(200);
    await api.admin.post('/projects/default/flags', { key: 'later', type: 'boolean' }).expect(201);
    await api.admin.post(`${targetingPath('later')}/enable`).expect(200);
    await api.admin.post('/projects/default/flags/three/archive').expect(200);
    const moved = await state();

    const look = await api.admin.post(`${root}/restore`, { version: then.version as number, dryRun: true }).expect(200);
    expect(look.body.restored).toMatchObject({ version: then.version as number, skipped: ['three'] });
    expect(Object.keys(look.body.restored.flags as object)).toEqual(['later', 'one', 'two']);
    expect(await state()).toBe(moved);

    const { body } = await api.admin.post(`${root}/restore`, { at, comment: 'back' }).expect(200);
    expect(body).toMatchObject({ key: 'production', restored: { version: then.version as number } });
    const change = await newest();
    expect(change).toMatchObject({
      action: 'environment.restored',
      comment: 'back',
      environments: [{ key: 'production' }],
    });
    expect((await api.admin.get(targetingPath('later'))).body).toMatchObject({ enabled: false });
    const snapshot = (await key.get('/sdk/v1/snapshot').expect(200)).body;
    expect(snapshot.flags.one.rules[0].gate.percentage).toBe(5);
    // Once more changes nothing, and undoing it brings back what was before it.
    await api.admin.post(`${root}/restore`, { at }).expect(200);
    expect(await newest()).toEqual(change);
    await undo(change.id).expect(200);
    expect(await state()).toBe(moved);
    await api.admin.post('/projects/default/flags/three/restore').expect(200);
    await api.admin.post(`${root}/restore`, { at }).expect(200);
    expect(await documents()).toBe(stood);
  });

  it('says that cohorts stay as they are, and refuses what could not stand any more', async () => {
    const root = '/projects/default/environments/production/restore';
    await api.admin.post('/projects/default/cohorts', { key: 'crew', included: ['a'] }).expect(201);
    await api.admin.post('/projects/default/flags', { key: 'manned', type: 'boolean' }).expect(201);
    const rules = [{ id: 'r', conditions: [{ cohorts: ['crew'] }], serve: { variant: 'on' } }];
    const put = (value: unknown) =>
      api.admin
        .put(targetingPath('manned'), { ...DOCUMENT, prerequisites: [], rules: value })
        .set('if-match', '*')
        .expect(200);
    const { version } = (await put(rules)).body as { version: number };
    await put([]);
    await api.admin.post('/projects/default/cohorts/crew/members', { list: 'included', add: ['b'] }).expect(200);
    const { body } = await api.admin.post(root, { version, dryRun: true }).expect(200);
    expect(body.warnings).toMatchObject([{ pointer: '/flags/manned', code: 'cohort_changed' }]);
    await api.admin.delete('/projects/default/cohorts/crew').expect(204);
    const problem = expectProblem(await api.admin.post(root, { version }), 422, 'invalid');
    expect(problem.errors).toMatchObject([{ pointer: '/flags/manned/rules/0/conditions/0/cohorts/0' }]);
    for (const wrong of [{}, { version: 1, at: '2026-01-01T00:00:00Z' }])
      expectProblem(await api.admin.post(root, wrong), 422, 'invalid');
    expectProblem(await api.admin.post(root, { at: '2020-01-01T00:00:00Z' }), 404, 'not_found');
  });
});

describe('the log', () => {
  it('is searched, shown one by one, and exported line by line', async () => {
    await api.admin
      .post('/projects/default/flags', { key: 'needle', type: 'boolean', comment: '100% sure' })
      .expect(201);
    const change = await newest();
    const found = async (q: string): Promise<unknown> =>
      (await api.admin.get('/projects/default/changes').query({ q }).expect(200)).body.items.map(
        ({ id }: Change) => id,
      );
    expect(await found('NEEDLE')).toEqual([change.id]);
    expect(await found('00% s')).toEqual([change.id]);
    expect(await found('0_% s')).toEqual([]);
    expect((await api.admin.get(`/projects/default/changes/${change.id}`).expect(200)).body).toEqual(change);
    expectProblem(await api.admin.get(`/projects/default/changes/99999999999999999999`), 404, 'not_found');

    const lines = async (path: string): Promise<Change[]> => {
      const { text, headers } = await api.admin.get(path).buffer(true).expect(200);
      expect(headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Change);
    };
    const all = await lines('/changes/export');
    expect(all.map(({ id }) => Number(id))).toEqual(all.map(({ id }) => Number(id)).toSorted((a, b) => a - b));
    const [{ count } = { count: 0 }] = await sql<{ count: number }>(
      api.databaseUrl,
      'SELECT count(*)::int AS count FROM change',
    );
    expect(all).toHaveLength(count);
    expect(count).toBeGreaterThan(100);
    expect((await lines('/projects/default/changes/export?key=needle')).map(({ id }) => id)).toEqual([change.id]);
    expect(await lines('/projects/default/changes/export?key=nothing')).toEqual([]);
    expectProblem(await api.admin.get('/projects/nope/changes/export'), 404, 'not_found');
  });
});
