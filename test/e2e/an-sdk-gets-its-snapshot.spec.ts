import { get as request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { evaluate, type Snapshot } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, targetingPath, type TestApi } from '../support/api.js';
import { snapshotOf } from '../support/snapshot.js';
import { sql } from '../support/sql.js';

let api: TestApi;
let key: string;
beforeAll(async () => {
  api = await startApi();
  key = await api.sdkKey();
  await api.admin.post('/projects/default/cohorts', { key: 'staff', included: ['user-1'] }).expect(201);
  await api.admin
    .post('/projects/default/flags', { key: 'new-checkout', type: 'boolean', metadata: { jira: 'PAY-7' } })
    .expect(201);
});
afterAll(() => api.stop());

type Answer = {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
};

/** As the bytes come, without a client that decompresses. */
function fetchRaw(headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(`${api.url}/sdk/v1/snapshot`, { headers: { authorization: `Bearer ${key}`, ...headers } }, (response) => {
      buffer(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    }).on('error', reject);
  });
}

describe('the snapshot', () => {
  it('is the environment of the key, with what the evaluator needs', async () => {
    await api.admin.post(`${targetingPath('new-checkout')}/percentage`, { percentage: 25 }).expect(200);
    const snapshot = await snapshotOf(api);
    expect(snapshot).toEqual({
      format: 1,
      project: 'default',
      environment: 'production',
      version: 3,
      revision: expect.stringMatching(/^3-[\w-]{8}$/) as string,
      flags: {
        'new-checkout': {
          key: 'new-checkout',
          type: 'boolean',
          enabled: true,
          variants: { on: true, off: false },
          offVariant: 'off',
          prerequisites: [],
          rules: [{ id: 'percentage', conditions: [], gate: { percentage: 25 }, serve: { variant: 'on' } }],
          fallthrough: { variant: 'off' },
          metadata: { jira: 'PAY-7' },
        },
      },
      cohorts: {},
    });
    expect(evaluate(snapshot, 'new-checkout', { targetingKey: 'user-1' }, 0)).toMatchObject({
      metadata: { jira: 'PAY-7', version: 3 },
    });
  });

  it('comes in br, gzip or as it is, each with a strong ETag of its own', async () => {
    const plain = await fetchRaw();
    const { revision } = JSON.parse(plain.body.toString('utf8')) as Snapshot;
    expect(plain.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      etag: `"${revision}"`,
      'cache-control': 'private, no-cache',
      vary: 'Authorization, Accept-Encoding',
    });
    const codings: [accept: string, coding: string | undefined, suffix: string, decode: (body: Buffer) => Buffer][] = [
      ['br', 'br', '-br', brotliDecompressSync],
      ['gzip, deflate, br', 'br', '-br', brotliDecompressSync],
      ['gzip', 'gzip', '-gz', gunzipSync],
      ['gzip;q=1.0, br;q=0', 'gzip', '-gz', gunzipSync],
      ['*', 'br', '-br', brotliDecompressSync],
      ['identity', undefined, '', (body) => body],
      ['br;q=0, gzip;q=0', undefined, '', (body) => body],
      ['deflate, zstd', undefined, '', (body) => body],
      ['', undefined, '', (body) => body],
    ];
    for (const [accept, coding, suffix, decode] of codings) {
      const answer = await fetchRaw({ 'accept-encoding': accept });
      expect({ accept, coding: answer.headers['content-encoding'], etag: answer.headers['etag'] }).toEqual({
        accept,
        coding,
        etag: `"${revision}${suffix}"`,
      });
      expect(decode(answer.body).equals(plain.body)).toBe(true);
      expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
    }
  });

  it('is not sent again to who holds it, whatever coding it came in', async () => {
    const { headers } = await fetchRaw();
    const revision = String(headers['etag']).slice(1, -1);
    for (const held of [
      `"${revision}"`,
      `W/"${revision}"`,
      `"${revision}-br"`,
      `"${revision}-gz"`,
      `W/"${revision}-gz"`,
    ]) {
      for (const accept of ['identity', 'br', 'gzip']) {
        const answer = await fetchRaw({ 'if-none-match': held, 'accept-encoding': accept });
        expect({ held, status: answer.status, length: answer.body.length }).toEqual({ held, status: 304, length: 0 });
        expect(answer.headers['etag']).toMatch(`"${revision}`);
        expect(answer.headers).toMatchObject({
          'cache-control': 'private, no-cache',
          vary: 'Authorization, Accept-Encoding',
        });
      }
    }
  });

  it('is not sent again to who holds a revision that happens to end like one of a coding', async () => {
    const { version, revision = '' } = await snapshotOf(api);
    let held = revision;
    const rename = async (to: string): Promise<void> => {
      for (const table of ['environment_change', 'environment'])
        await sql(api.databaseUrl, `UPDATE ${table} SET revision = $1 WHERE revision = $2`, [to, held]);
      held = to;
    };
    for (const end of ['abcde-gz', 'abcde-br']) {
      // Asked by who knows the new name, the replica reads the log and finds another history.
      await rename(`${version}-${end}`);
      for (const suffix of ['', '-gz', '-br']) {
        const answer = await fetchRaw({ 'if-none-match': `"${held}${suffix}"` });
        expect([held, suffix, answer.status]).toEqual([held, suffix, 304]);
      }
    }
    await rename(revision);
    expect((await fetchRaw({ 'if-none-match': `"${revision}"` })).status).toBe(304);
  });

  it('is sent, without a reset, to who holds an older version of this history', async () => {
    const { headers } = await fetchRaw();
    await api.admin.post(`${targetingPath('new-checkout')}/disable`).expect(200);
    const now = await snapshotOf(api);
    const answer = await fetchRaw({ 'if-none-match': String(headers['etag']) });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body.toString('utf8'))).toEqual(now);
    expect(now).not.toHaveProperty('reset');
  });

  it('is marked as a reset for who holds a revision that this history does not know', async () => {
    const { version } = await snapshotOf(api);
    for (const revision of [`${version}-someones`, `${version + 100}-someones`, '1-someones']) {
      const answer = await fetchRaw({ 'if-none-match': `"${revision}"` });
      expect(JSON.parse(answer.body.toString('utf8'))).toMatchObject({ version, reset: true });
    }
  });

  it('leaves no flag and no cohort of others in', async () => {
    await api.admin.post('/projects', { key: 'other' }).expect(201);
    await api.admin.post('/projects/other/environments', { key: 'production' }).expect(201);
    await api.admin.post('/projects/other/flags', { key: 'theirs', type: 'boolean' }).expect(201);
    expect(Object.keys((await snapshotOf(api)).flags)).toEqual(['new-checkout']);
    const theirs = (
      await api.admin
        .post('/tokens', { name: 'x', kind: 'sdk', project: 'other', environment: 'production' })
        .expect(201)
    ).body as { token: string };
    const { body } = await api.as(theirs.token).get('/sdk/v1/snapshot').expect(200);
    expect(Object.keys((body as Snapshot).flags)).toEqual(['theirs']);
  });

  it('follows what another replica, or nobody at all, has written', async () => {
    const replica = await startApi({}, { url: api.databaseUrl, drop: () => Promise.resolve() });
    try {
      const read = async () => (await replica.as(key).get('/sdk/v1/snapshot').expect(200)).body as Snapshot;
      await read();
      const { body } = await api.admin.post(`${targetingPath('new-checkout')}/enable`).expect(200);
      let snapshot = await read();
      for (let waited = 0; snapshot.version < (body as { version: number }).version && waited < 1_000; waited += 5) {
        await sleep(5);
        snapshot = await read();
      }
      expect(snapshot).toEqual(await snapshotOf(api));
      expect(snapshot.flags['new-checkout']).toMatchObject({ enabled: true });
    } finally {
      await replica.stop();
    }
  });

  it('begins a new history when a restored backup has another one', async () => {
    const before = await snapshotOf(api);
    // The database as it was two changes ago, and then another change under a version number that was used before.
    await sql(api.databaseUrl, `DELETE FROM environment_change WHERE environment_id = 2 AND version > $1`, [
      before.version - 2,
    ]);
    await sql(
      api.databaseUrl,
      `UPDATE environment SET snapshot_version = each.version, revision = each.revision
       FROM environment_change AS each WHERE each.environment_id = environment.id AND environment.id = 2 AND each.version = $1`,
      [before.version - 2],
    );
    await api.admin.post(`${targetingPath('new-checkout')}/percentage`, { percentage: 77 }).expect(200);
    let answer = await fetchRaw({ 'if-none-match': `"${before.revision}"` });
    for (let waited = 0; answer.status === 304 && waited < 8_000; waited += 50) {
      await sleep(50);
      answer = await fetchRaw({ 'if-none-match': `"${before.revision}"` });
    }
    expect(JSON.parse(answer.body.toString('utf8'))).toMatchObject({
      version: before.version - 1,
      reset: true,
      flags: { 'new-checkout': { rules: [{ gate: { percentage: 77 } }] } },
    });
  });
});
