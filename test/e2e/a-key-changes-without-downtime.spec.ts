import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { removeDirectory, startService, temporaryDirectory, type Service } from '../support/service.js';
import { ServiceClient, type Answer } from '../support/service-client.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

let database: TestDatabase;
let directory: string;
let first: Service;
let second: Service;
let admin: ServiceClient;

/** Two processes on one database, as behind a load balancer. */
beforeAll(async () => {
  database = await createDatabase();
  directory = await temporaryDirectory();
  const settings = { DATABASE_URL: database.url, FLEDGE_ADMIN_TOKEN: ADMIN_TOKEN };
  [first, second] = await Promise.all([startService(directory, settings), startService(directory, settings)]);
  admin = new ServiceClient(first.url);
  await admin.begin();
  await admin.makeFlags('checkout');
});

afterAll(async () => {
  await Promise.all([first.stop(), second.stop()]);
  await database.drop();
  await removeDirectory(directory);
});

const statusWith = async (key: string): Promise<number> =>
  (await new ServiceClient(second.url, key).ask('GET', '/sdk/v1/snapshot')).status;
const rotate = (id: string, body: object = {}): Promise<Answer> => admin.ask('POST', `/tokens/${id}/rotate`, body);

describe('a key that is revoked in one process', () => {
  it('ends its open stream in the other within 5 seconds, and is refused there', async () => {
    const { id, key } = await admin.makeKey();
    const stream = await openStream(second.url, key);
    await stream.next('put');
    await admin.must('DELETE', `/tokens/${id}`);
    await stream.end(5_000);
    await until(async () => (await statusWith(key)) === 401, 'the key is refused', 5_000);
    expect(await statusWith(key)).toBe(401);
  });
});

describe('a key that is rotated', () => {
  it('works beside its successor until the grace is over, in every process', async () => {
    const old = await admin.makeKey();
    expect(await statusWith(old.key)).toBe(200);
    const stream = await openStream(second.url, old.key);
    await stream.next('put');
    const { status, headers, body } = await rotate(old.id, { grace: '4s', comment: 'yearly' });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/api/v1/tokens/${body.id}`);
    expect(body).toMatchObject({ kind: 'sdk', project: 'default', environments: ['production'], replaces: old.id });
    expect(body.token).toMatch(/^fledge_sdk_[0-9A-Za-z]{38}$/);
    expect([await statusWith(old.key), await statusWith(body.token as string)]).toEqual([200, 200]);
    await stream.end(12_000);
    expect([await statusWith(old.key), await statusWith(body.token as string)]).toEqual([401, 200]);
    const { items } = (await admin.must('GET', `/changes?type=token&key=${old.id}&limit=1`)).body;
    expect(items).toMatchObject([
      { action: 'token.rotated', comment: 'yearly', after: { replacedBy: body.id }, before: { expiresAt: null } },
    ]);
  });

  it('hands on its role, scope and length of life, and is shown once', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const asked = {
      name: 'bot',
      kind: 'management',
      role: 'operator',
      project: 'default',
      environments: ['production'],
    };
    const { body: old } = await admin.must('POST', '/tokens', { ...asked, expiresAt });
    const { body: next } = await admin.must('POST', `/tokens/${old.id}/rotate`, {}, { 'idempotency-key': 'once' });
    expect(next).toMatchObject(asked);
    const life = (token: { createdAt: string; expiresAt: string }): number =>
      Date.parse(token.expiresAt) - Date.parse(token.createdAt);
    expect(Math.abs(life(next) - life(old))).toBeLessThan(1_000);
    // The grace never lengthens a life.
    expect((await admin.must('GET', `/tokens/${old.id}`)).body.expiresAt).toBe(expiresAt);
    const again = await admin.must('POST', `/tokens/${old.id}/rotate`, {}, { 'idempotency-key': 'once' });
    expect(again.body).toMatchObject({ id: next.id });
    expect(again.body).not.toHaveProperty('token');
  });

  it('is not rotated twice, nor when it has ended', async () => {
    const { id } = await admin.makeKey();
    const { body: next } = await rotate(id);
    expect(await rotate(id)).toMatchObject({ status: 409, body: { code: 'token_ended', replacedBy: next.id } });
    await admin.must('DELETE', `/tokens/${next.id}`);
    expect(await rotate(next.id as string)).toMatchObject({ status: 409, body: { code: 'token_ended' } });
    // Nobody has taken over any longer, so that the old one may be rotated again.
    expect((await rotate(id)).status).toBe(201);
  });

  it('takes a grace that can be read, of at most 90 days', async () => {
    const { id } = await admin.makeKey();
    for (const grace of ['soon', '1w', '-1s', '91d', 5, null, '']) {
      const { status, body } = await rotate(id, { grace });
      expect({ grace, status, errors: body.errors }).toMatchObject({ status: 422, errors: [{ pointer: '/grace' }] });
    }
    expect(await rotate(id, { expiresAt: '2020-01-01T00:00:00Z' })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/expiresAt', code: 'in_the_past' }] },
    });
  });
});
