import { setTimeout as sleep } from 'node:timers/promises';
import { evaluate, type Evaluation, type Snapshot } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';

type Explanation = {
  readonly evaluation: Evaluation;
  readonly trace: readonly { readonly step: string }[];
  readonly text: string;
  readonly version: number;
  readonly at?: string;
};

let api: TestApi;
let viewer: string;

const FLAG = targetingPath('new-checkout');
const USER = { targetingKey: 'user-7', country: 'DE' };

/** The moments of a week in which the flag, its cohort and the flag's life changed; each lies between two changes. */
const moments: Record<'tuesday' | 'wednesday' | 'thursday' | 'friday', string> = {
  tuesday: '',
  wednesday: '',
  thursday: '',
  friday: '',
};

/** A moment after everything that was written, and before everything that will be. */
async function moment(): Promise<string> {
  await sleep(5);
  const now = new Date().toISOString();
  await sleep(5);
  return now;
}

async function put(targeting: object): Promise<void> {
  const { body } = await api.admin.get(FLAG).expect(200);
  const { version } = body as { version: number };
  await api.admin.put(FLAG, { offVariant: 'off', prerequisites: [], ...targeting, version }).expect(200);
}

async function why(body: object, path = FLAG): Promise<Explanation> {
  const answer = await api.as(viewer).post(`${path}/explain`, body).expect(200);
  return answer.body as Explanation;
}

const STAFF = { id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } };
const germany = (percentage: number) => ({
  id: 'germany',
  conditions: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
  gate: { percentage },
  serve: { variant: 'on' },
});

beforeAll(async () => {
  api = await startApi();
  const { body } = await api.admin
    .post('/tokens', { name: 'support', kind: 'management', role: 'viewer', project: 'default' })
    .expect(201);
  viewer = (body as { token: string }).token;
  await api.admin.post('/projects/default/flags', { key: 'new-checkout', type: 'boolean' }).expect(201);
  await api.admin
    .post('/projects/default/cohorts', { key: 'staff', included: ['user-7'], excluded: [], rules: [] })
    .expect(201);

  await put({ enabled: true, rules: [germany(10)], fallthrough: { variant: 'off' } });
  moments.tuesday = await moment();
  await put({ enabled: true, rules: [STAFF, germany(10)], fallthrough: { variant: 'off' } });
  moments.wednesday = await moment();
  await api.admin.post('/projects/default/cohorts/staff/members', { list: 'included', remove: ['user-7'] }).expect(200);
  moments.thursday = await moment();
  await put({ enabled: true, rules: [germany(100), STAFF], fallthrough: { variant: 'on' } });
  await api.admin.post('/projects/default/flags/new-checkout/archive', {}).expect(200);
  moments.friday = await moment();
});
afterAll(() => api.stop());

const inFrom = (text: string): number => Number(/in from ([\d.]+) % on/.exec(text)?.[1]);

describe('why did user-7 not get it last Tuesday at 14:03?', () => {
  it('is answered in one call: the gate let in 10 %, and from which percentage on they would be in', async () => {
    const { evaluation, text, at } = await why({ context: USER, at: moments.tuesday });
    expect({ value: evaluation.value, reason: evaluation.reason, at }).toEqual({
      value: false,
      reason: 'DEFAULT',
      at: moments.tuesday,
    });
    expect(text).toContain('country in ["DE"], is "DE": true');
    expect(text).toMatch(
      /gate 10 % by targetingKey "user-7" with salt "new-checkout", bucket \d+ not below 429496729: in from/,
    );
    expect(inFrom(text)).toBeGreaterThan(10);
    expect(inFrom(text)).toBeLessThanOrEqual(100);
  });

  it('is answered for a moment however its zone is written', async () => {
    const utc = new Date(moments.tuesday);
    const there = new Date(utc.getTime() + 90 * 60_000).toISOString().replace('T', 't').replace('Z', '+01:30');
    const { evaluation, text, version } = await why({ context: USER, at: there });
    expect({ evaluation, text, version }).toEqual(
      (({ at: _, trace: __, ...rest }) => rest)(await why({ context: USER, at: moments.tuesday })),
    );
  });

  it('names the cohort that they were in on Wednesday and are no more', async () => {
    const then = await why({ context: USER, at: moments.wednesday });
    expect(then.evaluation).toMatchObject({ value: true, metadata: { ruleId: 'staff' } });
    expect(then.text).toContain('cohort staff: member true, "user-7" is included');
    const later = await why({ context: USER, at: moments.thursday });
    expect(later.evaluation).toMatchObject({ value: false, reason: 'DEFAULT' });
    expect(later.text).toContain('cohort staff: member false');
  });

  it('says that there is no such flag once it is archived, and still knows it before', async () => {
    for (const body of [{ context: USER, at: moments.friday }, { context: USER }]) {
      const { evaluation, text } = await why(body);
      expect(evaluation).toMatchObject({ reason: 'ERROR', errorCode: 'FLAG_NOT_FOUND' });
      expect(text).toBe('flag new-checkout is missing');
    }
  });

  it('answers for a version as for the moment', async () => {
    const then = await why({ context: USER, at: moments.wednesday });
    const { at: _, ...same } = then;
    expect(await why({ context: USER, version: then.version })).toEqual(same);
    expect(then.evaluation.metadata['version']).toBe(then.version);
  });

  it('keeps apart what had the same key one after the other, and knows the prerequisites of then', async () => {
    const path = targetingPath('again');
    const lines = async (at?: string): Promise<string[]> =>
      (await why({ context: USER, ...(at !== undefined && { at }) }, path)).text.split('\n');
    const edit = async (flag: string, targeting: object): Promise<void> => {
      const { body } = await api.admin.get(targetingPath(flag)).expect(200);
      await api.admin.put(targetingPath(flag), { ...(body as object), enabled: true, ...targeting }).expect(200);
    };
    const inCohort = { id: 'r', conditions: [{ cohorts: ['guests'] }], serve: { variant: 'on' } };
    const before = await moment();
    for (const key of ['again', 'gateway'])
      await api.admin.post('/projects/default/flags', { key, type: 'boolean' }).expect(201);
    await api.admin.post('/projects/default/cohorts', { key: 'guests', included: ['user-7'] }).expect(201);
    await edit('gateway', {});
    await edit('again', { prerequisites: [{ flag: 'gateway', variants: ['on'] }], rules: [inCohort] });
    const first = await moment();
    await api.admin.post(`${targetingPath('gateway')}/disable`).expect(200);
    const closed = await moment();
    await edit('again', { prerequisites: [], rules: [] });
    await api.admin.delete('/projects/default/cohorts/guests').expect(204);
    await api.admin.post('/projects/default/cohorts', { key: 'guests', included: ['user-8'] }).expect(201);
    await edit('again', { rules: [inCohort], fallthrough: { variant: 'off' } });
    const second = await moment();
    await api.admin.post('/projects/default/flags/again/archive').expect(200);
    await api.admin.delete('/projects/default/flags/again').expect(204);
    const gone = await moment();
    const variants = { plain: 'Hello', loud: 'HELLO' };
    await api.admin.post('/projects/default/flags', { key: 'again', type: 'string', variants }).expect(201);
    await edit('again', {});

    const missing = ['flag again is missing'];
    expect([await lines(before), await lines(gone)]).toEqual([missing, missing]);
    expect(await lines(first)).toEqual([
      'flag again is enabled',
      'prerequisite gateway serves "on", wanted ["on"]: holds',
      '  flag gateway is enabled',
      '  fallthrough serves "on"',
      'rule r serves "on"',
      '  in cohorts guests: true',
      '    cohort guests: member true, "user-7" is included',
    ]);
    expect((await lines(closed))[1]).toBe('prerequisite gateway is disabled, wanted ["on"]: fails');
    expect((await lines(second)).slice(-2)).toEqual([
      '    cohort guests: member false, in no list, and no rule lets it in',
      'fallthrough serves "off"',
    ]);
    const now = ['flag again is enabled', 'fallthrough serves "plain"'];
    expect([await lines(), await lines('2999-01-01T00:00:00Z')]).toEqual([now, now]);
  });

  it('lets the clock of conditions stand where it stood', async () => {
    const path = targetingPath('launch');
    await api.admin.post('/projects/default/flags', { key: 'launch', type: 'boolean' }).expect(201);
    const opened = await moment();
    const at = await moment();
    const rules = [
      { id: 'open', conditions: [{ attribute: '$now', operator: 'after', values: [at] }], serve: { variant: 'on' } },
    ];
    const { body } = await api.admin.get(path).expect(200);
    const { version } = body as { version: number };
    const targeting = { enabled: true, offVariant: 'off', prerequisites: [], rules, fallthrough: { variant: 'off' } };
    const saved = await api.admin.put(path, { ...targeting, version }).expect(200);
    const made = (saved.body as { version: number }).version;
    expect((await why({ context: {} }, path)).evaluation.value).toBe(true);
    expect((await why({ context: { $now: opened } }, path)).evaluation.value).toBe(false);
    const { evaluation, text } = await why({ context: {}, at: opened }, path);
    expect({ reason: evaluation.reason, text }).toEqual({
      reason: 'DISABLED',
      text: expect.stringContaining('disabled') as string,
    });
    await api.as(viewer).post(`${path}/explain`, { context: {}, at: opened, version: made }).expect(404);
  });

  it('answers as SDKs do, for prerequisites and splits too', async () => {
    const path = targetingPath('layout');
    await api.admin
      .post('/projects/default/flags', { key: 'layout', type: 'string', variants: { a: 'A', b: 'B', c: 'C' } })
      .expect(201);
    const { body } = await api.admin.get(path).expect(200);
    const fallthrough = {
      split: [
        { variant: 'a', weight: 1 },
        { variant: 'b', weight: 1 },
        { variant: 'c', weight: 2 },
      ],
    };
    await api.admin
      .put(path, {
        ...(body as object),
        enabled: true,
        prerequisites: [{ flag: 'launch', variants: ['on'] }],
        rules: [],
        fallthrough,
      })
      .expect(200);
    const key = await api.sdkKey();
    const snapshot = (await api.as(key).get('/sdk/v1/snapshot').expect(200)).body as Snapshot;
    for (let unit = 0; unit < 20; unit += 1) {
      const context = { targetingKey: `user-${unit}` };
      const { evaluation, text } = await why({ context }, path);
      expect(evaluation).toEqual(evaluate(snapshot, 'layout', context, Date.now()));
      expect(text.split('\n').slice(0, 2)).toEqual([
        'flag layout is enabled',
        'prerequisite launch serves "on", wanted ["on"]: holds',
      ]);
      expect(text).toMatch(new RegExp(`a \\(1\\) .*: the smallest score wins: ${evaluation.variant}`));
    }
  });
});

describe('what cannot be explained', () => {
  it('is a moment before the first version, or a version that there is not yet', async () => {
    for (const body of [{ at: '2020-01-01T00:00:00Z' }, { version: 100_000 }]) {
      const answer = await api
        .as(viewer)
        .post(`${FLAG}/explain`, { context: USER, ...body })
        .expect(404);
      expect(answer.body).toMatchObject({ code: 'not_found' });
    }
    await api.as(viewer).post('/projects/default/environments/nowhere/flags/x/explain', { context: {} }).expect(404);
  });

  it.each([
    [{}, '/context'],
    [{ context: null }, '/context'],
    [{ context: 'user-7' }, '/context'],
    [{ context: [] }, '/context'],
    [{ context: USER, at: 'last Tuesday' }, '/at'],
    [{ context: USER, at: '2026-11-23T10:00:00' }, '/at'],
    [{ context: USER, at: '2026-02-30T10:00:00Z' }, '/at'],
    [{ context: USER, at: null }, '/at'],
    [{ context: USER, version: 1.5 }, '/version'],
    [{ context: USER, version: 4_294_967_296 }, '/version'],
    [{ context: USER, when: 'now' }, '/when'],
  ])('is %j, and the problem is named', async (body, pointer) => {
    const answer = await api.as(viewer).post(`${FLAG}/explain`, body).expect(422);
    expect((answer.body as { errors: { pointer: string }[] }).errors.map((one) => one.pointer)).toEqual([pointer]);
  });

  it("is nobody's business but those who may read flags here", async () => {
    expect.hasAssertions();
    await api.as(undefined).post(`${FLAG}/explain`, { context: USER }).expect(401);
    await api
      .as(await api.sdkKey())
      .post(`${FLAG}/explain`, { context: USER })
      .expect(403);
    expect((await api.as(undefined).get('/projects')).status).toBe(401);
  });
});
