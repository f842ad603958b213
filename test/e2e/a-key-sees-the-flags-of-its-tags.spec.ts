import { createClient } from '@fledge/sdk';
import { applyChange, type Change, type Snapshot } from '@fledge/evaluation';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { askAll, BULK, clientKey, edit, listen, makeFlag, one } from '../support/remote-evaluation.js';
import { openStream, type StreamReader } from '../support/sse.js';
import { until } from '../support/wait.js';

type Token = { readonly id: string; readonly token: string; readonly tags: readonly string[] | null };

let api: TestApi;
/** The key of one team, and one that sees all. */
let payments: string;
let whole: string;
const streams: StreamReader[] = [];

const inCohort = (cohort: string) => ({
  rules: [{ id: 'staff', conditions: [{ cohorts: [cohort] }], serve: { variant: 'on' } }],
  fallthrough: { variant: 'off' },
});

/** `checkout` is the team's; it needs `base`, that names `staff`, and that `inner`. `search` and its cohort are somebody else's. */
beforeAll(async () => {
  api = await startApi();
  const cohorts = [
    { key: 'inner', included: ['user-1'] },
    { key: 'staff', rules: [{ conditions: [{ cohorts: ['inner'] }] }] },
    { key: 'others', included: ['user-2'] },
  ];
  for (const cohort of cohorts) await api.admin.post('/projects/default/cohorts', cohort).expect(201);
  await makeFlag(api, { key: 'base' }, inCohort('staff'));
  await makeFlag(
    api,
    { key: 'checkout', tags: ['web', 'payments'] },
    { prerequisites: [{ flag: 'base', variants: ['on'] }] },
  );
  await makeFlag(api, { key: 'search', tags: ['search'] }, inCohort('others'));
  await makeFlag(api, { key: 'banner' });
  payments = (await make({ tags: ['payments'] })).token;
  whole = await api.sdkKey();
});
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});
afterAll(() => api.stop());

const SDK = { name: 'test', kind: 'sdk', project: 'default', environment: 'production' };
const make = async (body: object): Promise<Token> =>
  (await api.admin.post('/tokens', { ...SDK, ...body }).expect(201)).body as Token;
const tag = (flag: string, ...tags: string[]) =>
  api.admin.patch(`/projects/default/flags/${flag}`, { tags }).expect(200);
const toggle = (flag: string, on: boolean) =>
  api.admin.post(`${targetingPath(flag)}/${on ? 'enable' : 'disable'}`).expect(200);

const snapshotOf = async (key: string): Promise<Snapshot> =>
  (await api.as(key).get('/sdk/v1/snapshot').expect(200)).body as Snapshot;
const held = ({ flags, cohorts }: Snapshot): string[][] => [Object.keys(flags).sort(), Object.keys(cohorts).sort()];

async function open(key: string, lastEventId?: string): Promise<StreamReader> {
  const stream = await openStream(api.url, key, lastEventId === undefined ? {} : { lastEventId });
  streams.push(stream);
  return stream;
}

describe('a token', () => {
  it('has tags in order and each once, when it is made, shown and listed', async () => {
    const { id, tags } = await make({ tags: ['web', 'payments', 'web'] });
    expect(tags).toEqual(['payments', 'web']);
    expect((await api.admin.get(`/tokens/${id}`).expect(200)).body).toMatchObject({ tags });
    expect((await api.admin.get('/tokens?limit=1').expect(200)).body).toMatchObject({ items: [{ id, tags }] });
    expect((await make({})).tags).toBeNull();
  });

  it('hands them on when it is rotated, unless others are asked for', async () => {
    const rotated = async (body: object): Promise<Token> =>
      (await api.admin.post(`/tokens/${(await make({ tags: ['web'] })).id}/rotate`, body).expect(201)).body as Token;
    expect((await rotated({})).tags).toEqual(['web']);
    expect((await rotated({ tags: ['search', 'payments'] })).tags).toEqual(['payments', 'search']);
    const { tags, token } = await rotated({ tags: null });
    expect(tags).toBeNull();
    expect(held(await snapshotOf(token))).toEqual(held(await snapshotOf(whole)));
  });

  it('has none where it manages, and no empty list', async () => {
    const bot = { name: 'bot', kind: 'management', role: 'viewer' };
    expectInvalid(await api.admin.post('/tokens', { ...bot, tags: ['web'] }), '/tags unwanted');
    expectInvalid(await api.admin.post('/tokens', { ...SDK, tags: [] }), '/tags unwanted');
    const many = Array.from({ length: 51 }, (_, index) => `tag-${index}`);
    const refused = expectProblem(await api.admin.post('/tokens', { ...SDK, tags: many }), 422, 'invalid');
    expect(refused.errors).toMatchObject([{ pointer: '/tags', message: 'Expected at most 50 items.' }]);
    const { id } = (await api.admin.post('/tokens', bot).expect(201)).body as Token;
    for (const tags of [['web'], null])
      expectInvalid(await api.admin.post(`/tokens/${id}/rotate`, { tags }), '/tags unwanted');
    expectInvalid(await api.admin.post(`/tokens/${(await make({})).id}/rotate`, { tags: [] }), '/tags unwanted');
  });
});

describe('a snapshot', () => {
  it('holds the flags with one of the tags and what those need, and nothing else', async () => {
    expect(held(await snapshotOf(payments))).toEqual([
      ['base', 'checkout'],
      ['inner', 'staff'],
    ]);
    expect(held(await snapshotOf((await make({ tags: ['payments', 'search'] })).token))).toEqual([
      ['base', 'checkout', 'search'],
      ['inner', 'others', 'staff'],
    ]);
    expect(held(await snapshotOf((await make({ tags: ['nobody'] })).token))).toEqual([[], []]);
    expect(held(await snapshotOf(whole))[0]).toEqual(['banner', 'base', 'checkout', 'search']);
  });

  it('is the same in every coding, and 304 for who holds it', async () => {
    for (const coding of ['identity', 'gzip', 'br']) {
      const get = (etag?: string) => {
        const request = api.as(payments).get('/sdk/v1/snapshot').set('accept-encoding', coding);
        return etag === undefined ? request.expect(200) : request.set('if-none-match', etag).expect(304);
      };
      const { headers, body } = await get();
      expect(held(body as Snapshot)[0]).toEqual(['base', 'checkout']);
      await get(headers['etag']);
    }
  });

  it('is never answered with 304 to who holds what another key sees, nor ignored by it', async () => {
    const web = (await make({ tags: ['web', 'other'] })).token;
    const seen = await Promise.all([payments, web, whole].map(snapshotOf));
    const [mine] = seen;
    expect(new Set(seen.map(({ revision }) => revision)).size).toBe(3);
    expect(new Set(seen.map(({ version }) => version)).size).toBe(1);
    for (const other of seen.slice(1)) {
      for (const [key, revision] of [
        [payments, other.revision],
        [whole, mine?.revision],
      ] as const) {
        // Looked up anew, and from memory.
        api.runtime.authenticator.forget();
        for (let time = 0; time < 2; time += 1) {
          const request = api.as(key).get('/sdk/v1/snapshot').set('if-none-match', `"${revision}"`);
          expect((await request.expect(200)).body).toMatchObject({ reset: true });
        }
        expect((await (await open(key, revision)).next()).data).toMatchObject({ reset: true });
      }
    }
  });
});

describe('a stream', () => {
  /** Follows the stream to the newest version, and compares it with what is had anew. */
  async function follow(stream: StreamReader, from: Snapshot): Promise<{ snapshot: Snapshot; changes: Change[] }> {
    const to = await snapshotOf(payments);
    let snapshot = from;
    const changes: Change[] = [];
    while (snapshot.version < to.version) {
      const change = (await stream.next('patch')).data as Change;
      const next = applyChange(snapshot, change);
      if (next === undefined) throw new Error('the patch does not fit');
      changes.push(change);
      snapshot = next;
    }
    expect(snapshot).toEqual(to);
    return { snapshot, changes };
  }

  it('says what came into the part and what left it, and nothing of the rest', async () => {
    const stream = await open(payments);
    let snapshot = (await stream.next('put')).data as Snapshot;
    expect(snapshot).toEqual(await snapshotOf(payments));
    const after = async (write: () => Promise<unknown>): Promise<Change | undefined> => {
      await write();
      await until(async () => (await snapshotOf(payments)).version > snapshot.version, 'the write can be read');
      const followed = await follow(stream, snapshot);
      ({ snapshot } = followed);
      return followed.changes.at(-1);
    };
    const { from, version, revision, ...nothing } = (await after(() => toggle('search', false))) ?? {};
    expect(nothing).toEqual({});
    expect(revision).toBe(snapshot.revision);
    expect(version).toBe((from ?? 0) + 1);
    expect(await after(() => tag('search', 'payments'))).toMatchObject({
      flags: { search: { key: 'search', enabled: false } },
      cohorts: { others: { key: 'others', included: ['user-2'] } },
    });
    const members = '/projects/default/cohorts/others/members';
    expect(
      (await after(() => api.admin.post(members, { list: 'included', add: ['user-3'] }).expect(200)))?.cohorts,
    ).toEqual({ others: { included: { add: ['user-3'] } } });
    expect((await after(() => tag('search', 'search')))?.removed).toEqual({ flags: ['search'], cohorts: ['others'] });
    expect((await after(() => edit(api, 'checkout', { prerequisites: [] })))?.removed).toEqual({
      flags: ['base'],
      cohorts: expect.toSatisfy((keys: string[]) => [...keys].sort().join() === 'inner,staff') as string[],
    });
    const needed = await after(() => edit(api, 'checkout', { prerequisites: [{ flag: 'base', variants: ['on'] }] }));
    expect(Object.keys(needed?.flags ?? {}).sort()).toEqual(['base', 'checkout']);
    expect(Object.keys(needed?.cohorts ?? {}).sort()).toEqual(['inner', 'staff']);
    expect(held(snapshot)[0]).toEqual(['base', 'checkout']);
  });

  it('is resumed with what was missed, also when nobody saw the part meanwhile', async () => {
    const { revision = '', version } = await snapshotOf(payments);
    const current = await open(payments, revision);
    expect(await current.next()).toMatchObject({ type: 'current', id: revision, data: { version, revision } });
    current.close();
    await toggle('base', false);
    await toggle('base', true);
    await until(async () => (await snapshotOf(whole)).version === version + 2, 'the writes can be read');
    const resumed = await open(payments, revision);
    const patches = [await resumed.next('patch')];
    if ((patches[0]?.data as Change | undefined)?.version === version + 1) patches.push(await resumed.next('patch'));
    expect(patches.at(-1)?.data).toMatchObject({ version: version + 2, flags: { base: { enabled: true } } });
  });

  it('goes on with patches beside hundreds of other sets of tags, and with the whole part beside too many', async () => {
    const stream = await open(payments);
    await stream.next('put');
    const environment = await api.runtime.snapshots.environment(await idOfProduction());
    const look = (from: number, to: number): void => {
      for (let index = from; index < to; index += 1) environment?.seenBy([`tag-${index}`]);
    };
    look(0, 500);
    await toggle('banner', false);
    expect(await stream.next('patch')).toBeDefined();
    look(500, 1_600);
    await toggle('base', false);
    const put = (await stream.next()).data as unknown as Snapshot;
    expect(put).toEqual(await snapshotOf(payments));
    expect([put.flags['base']?.enabled, put.reset]).toEqual([false, undefined]);
    await toggle('base', true);
    expect((await stream.next('patch')).data).toMatchObject({ from: put.version, flags: { base: { enabled: true } } });
    await toggle('banner', true);
    await stream.next('patch');
  });
});

const idOfProduction = async (): Promise<number> => {
  const grant = await api.runtime.authenticator.authenticate(payments);
  return grant?.environments?.[0]?.id ?? 0;
};

describe('an SDK', () => {
  it('gets a flag that gains the tag, and gives the default for one that loses it', async () => {
    const client = createClient({ url: api.url, sdkKey: payments });
    const all = createClient({ url: api.url, sdkKey: whole });
    await Promise.all([client.ready(), all.ready()]);
    const staff = { targetingKey: 'user-1' };
    const value = (flag: string, fallback: boolean) => client.boolean(flag, staff, fallback);
    // What is needed without a tag is there too, or this were off.
    expect(value('checkout', false)).toBe(true);
    expect([value('banner', false), all.boolean('banner', staff, false)]).toEqual([false, true]);
    await tag('banner', 'payments', 'marketing');
    await until(() => value('banner', false), 'the flag is there');
    await tag('banner', 'marketing');
    await until(() => !value('banner', false), 'the default is given');
    expect([value('banner', true), all.boolean('banner', staff, false)]).toEqual([true, true]);
    await Promise.all([client.close(), all.close()]);
  });
});

describe('remote evaluation', () => {
  it('knows the flags that the key sees, one by one and all at once', async () => {
    const client = api.as((await clientKey(api, { tags: ['payments'] })).key);
    const context = { targetingKey: 'user-1' };
    const seen = await askAll(client, context);
    expect(Object.keys(seen)).toEqual(['base', 'checkout']);
    expect(seen).toMatchObject({ checkout: { value: true } });
    const { headers } = await client.post(BULK, { context }).expect(200);
    await client
      .post(BULK, { context })
      .set('if-none-match', headers['etag'] ?? '')
      .expect(304);
    for (let time = 0; time < 2; time += 1) {
      expect((await client.post(one('checkout'), { context }).expect(200)).body).toMatchObject({ value: true });
      expect((await client.post(one('search'), { context }).expect(404)).body).toMatchObject({
        errorCode: 'FLAG_NOT_FOUND',
      });
    }
    expect(Object.keys(await askAll(api.as((await clientKey(api)).key), context))).toContain('search');
  });

  it('tells clients to ask again when something changed that they see', async () => {
    const client = api.as((await clientKey(api, { tags: ['payments'] })).key);
    const stream = await listen(api.url, await client.post(BULK, { context: {} }).expect(200));
    streams.push(stream);
    await stream.next('message');
    const comments = stream.comments;
    await toggle('search', true);
    await until(() => stream.comments > comments, 'the change was passed over');
    expect(stream.events).toHaveLength(1);
    await toggle('base', false);
    const { etag } = (await stream.next('message')).data;
    const { body } = await client.post(`${BULK}?flagConfigEtag=${String(etag)}`, { context: {} }).expect(200);
    expect(body).toMatchObject({ flags: [{ key: 'base', reason: 'DISABLED' }, {}] });
    await toggle('base', true);
    await stream.next('message');
  });
});

it('types are declared of the flags that the key sees', async () => {
  const declared = async (key: string): Promise<string[]> =>
    [...(await api.as(key).get('/sdk/v1/types.d.ts').expect(200)).text.matchAll(/^ {4}"([\w-]+)":/gm)].map(
      ([, name]) => name ?? '',
    );
  expect(await declared(payments)).toEqual(['base', 'checkout']);
  expect(await declared(whole)).toEqual(['banner', 'base', 'checkout', 'search']);
});

it('tags are not edited without a comment where a protected environment is touched', async () => {
  await api.admin.patch('/projects/default/environments/production', { protected: true }).expect(200);
  const path = '/projects/default/flags/banner';
  expectProblem(await api.admin.patch(path, { tags: ['payments'] }), 422, 'comment_required');
  await api.admin.patch(path, { tags: ['payments'], comment: 'theirs now' }).expect(200);
  await api.admin.patch(path, { tags: [], comment: 'no more' }).expect(200);
  await api.admin
    .patch('/projects/default/environments/production', { protected: false, comment: 'all was seen' })
    .expect(200);
});
