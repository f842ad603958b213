import { randomBytes } from 'node:crypto';
import { readConfig } from '@fledge/api';
import { cleanUp, createDataSource, delayAfter } from '@fledge/store';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { expectInvalid, expectProblem } from '../support/problem.js';
import { Receiver, type Received } from '../support/receiver.js';
import { startRollout, steer } from '../support/rollout.js';
import { everyRow, sql } from '../support/sql.js';
import { until } from '../support/wait.js';

const WEBHOOKS = '/projects/default/webhooks';
const KEYS = [randomBytes(32), randomBytes(32)].map((key) => key.toString('base64'));
/** Tests are less patient than the service. */
const OUTGOING = {
  http: true,
  addresses: ['127.0.0.1'],
  timeoutMs: 500,
  retries: { attempts: 3, firstDelayMs: 20, longestDelayMs: 100 },
};

type Delivery = {
  readonly id: string;
  readonly event: string;
  readonly state: string;
  readonly attempts: number;
  readonly status: number | null;
  readonly detail: string | null;
  readonly nextAttemptAt: string | null;
};

let database: TestDatabase;
let api: TestApi;
let receiver: Receiver;

const start = (settings: Record<string, string> = {}, outgoing: Partial<typeof OUTGOING> = {}): Promise<TestApi> =>
  startApi({ FLEDGE_SECRETS_KEY: KEYS[0] ?? '', ...settings }, database, { outgoing: { ...OUTGOING, ...outgoing } });

beforeAll(async () => {
  database = await createDatabase();
  api = await start();
  await api.admin.post('/projects', { key: 'default' }).expect(201);
  for (const key of ['production', 'staging'])
    await api.admin.post('/projects/default/environments', { key }).expect(201);
});
beforeEach(async () => {
  receiver = await Receiver.start();
  return () => receiver.stop();
});
afterAll(async () => {
  await api.stop();
  await database.drop();
});

async function make(key: string, more: object = {}): Promise<string> {
  const { body } = await api.admin.post(WEBHOOKS, { key, url: `${receiver.url}/hook`, ...more }).expect(201);
  return (body as { secret: string }).secret;
}

async function deliveriesOf(key: string, query = ''): Promise<Delivery[]> {
  const { body } = await api.admin.get(`${WEBHOOKS}/${key}/deliveries?${query}`).expect(200);
  return (body as { items: Delivery[] }).items;
}

const settled = (key: string): Promise<void> =>
  until(async () => {
    const all = await deliveriesOf(key);
    return all.length > 0 && all.every(({ state }) => state !== 'pending');
  }, `everything for ${key} is delivered or given up`);

const ended = async (key: string): Promise<void> => void (await api.admin.delete(`${WEBHOOKS}/${key}`).expect(204));

/** The headers as a receiver's framework has them. */
const headersOf = ({ headers }: Received): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

const idsOf = ({ received }: Receiver): string[] => received.map(({ headers }) => String(headers['webhook-id']));

const verifies = (secret: string, received: Received | undefined): boolean => {
  if (received === undefined) return false;
  try {
    new Webhook(secret).verify(received.body, headersOf(received));
    return true;
  } catch {
    return false;
  }
};

describe('a webhook', () => {
  it('is sent what it asked for, signed as Standard Webhooks has it, and nothing else', async () => {
    const secret = await make('told');
    const rollout = await startRollout(api, 'told', { externalKey: 'told' });
    await steer(api.admin, rollout.id, 'rollback', { comment: 'it hurts' }).expect(200);
    await settled('told');
    expect(receiver.messages().map(({ type }) => type)).toEqual(['rollout.rolled_back']);
    const [received] = receiver.received;
    expect(new Webhook(secret).verify(received?.body ?? '', headersOf(received as Received))).toMatchObject({
      type: 'rollout.rolled_back',
      data: {
        project: 'default',
        environment: 'production',
        flag: 'told',
        rollout: { id: rollout.id, externalKey: 'told', canary: 'on', baseline: 'off', reasons: ['manual'] },
        event: { state: 'rolled_back', reason: 'manual', comment: 'it hurts', percentage: 0 },
      },
    });
    expect(received?.path).toBe('/hook');
    const [delivery] = await deliveriesOf('told');
    expect(delivery).toMatchObject({ state: 'delivered', attempts: 1, status: 204, event: 'rollout.rolled_back' });
    expect(received?.headers['webhook-id']).toBe(delivery?.id);
    const forged = { ...(received as Received), body: (received?.body ?? '').replace('told', 'tale') };
    expect(verifies(secret, forged)).toBe(false);
    await ended('told');
  });

  it('can ask for other events and for some environments only, or for none for a while', async () => {
    await make('starts', { events: ['rollout.started'], environments: ['production'] });
    await make('elsewhere', { events: ['rollout.started'], environments: ['staging'] });
    await make('asleep', { events: ['rollout.started'], enabled: false });
    await startRollout(api, 'scoped');
    await settled('starts');
    expect(receiver.messages()).toMatchObject([{ type: 'rollout.started', data: { flag: 'scoped' } }]);
    expect(await deliveriesOf('elsewhere')).toEqual([]);
    for (const [environment, count] of [
      ['production', 1],
      ['staging', 0],
    ] as const) {
      const token = {
        name: 'x',
        kind: 'management',
        role: 'operator',
        project: 'default',
        environments: [environment],
      };
      const made = await api.admin.post('/tokens', token).expect(201);
      const client = api.as((made.body as { token: string }).token);
      const { body } = await client.get(`${WEBHOOKS}/starts/deliveries`).expect(200);
      expect((body as { items: unknown[] }).items).toHaveLength(count);
      expectProblem(await client.post(`${WEBHOOKS}/starts/test`), 403, 'forbidden');
    }
    expect(await deliveriesOf('asleep')).toEqual([]);
    for (const key of ['starts', 'elsewhere', 'asleep']) await ended(key);
  });

  it('keeps its secret: shown once, sealed in the database, in no log', async () => {
    const request = () =>
      api.admin
        .post(WEBHOOKS, { key: 'secretive', url: `${receiver.url}/hook/s3cr3t-path` })
        .set('idempotency-key', 'k');
    const first = await request().expect(201);
    const { secret } = first.body as { secret: string };
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const again = await request().expect(201);
    expect(again.headers['idempotency-replayed']).toBe('true');
    const shown = [again, await api.admin.get(`${WEBHOOKS}/secretive`), await api.admin.get(WEBHOOKS)];
    for (const { text } of shown) expect(text).not.toContain('whsec_');
    const bytes = Buffer.from(secret.slice(6), 'base64');
    const rows = (await everyRow(database.url)).join('\n');
    for (const clear of [secret, bytes.toString('hex'), bytes.toString('base64')]) expect(rows).not.toContain(clear);
    const { text: log } = await api.admin.get('/projects/default/changes?limit=200').expect(200);
    expect(log).toContain('"webhook.created"');
    expect(log).not.toContain('s3cr3t-path');
    await ended('secretive');
  });

  it('changes over to another secret while messages carry both signatures', async () => {
    const old = await make('rotated');
    const rotate = async (grace: string): Promise<string> => {
      const { body } = await api.admin.post(`${WEBHOOKS}/rotated/rotate`, { grace }).expect(200);
      return (body as { secret: string }).secret;
    };
    const test = async (): Promise<Received | undefined> => {
      await api.admin.post(`${WEBHOOKS}/rotated/test`).expect(202);
      await settled('rotated');
      return receiver.received.at(-1);
    };
    const second = await rotate('1h');
    const both = await test();
    expect([old, second].map((secret) => verifies(secret, both))).toEqual([true, true]);
    const third = await rotate('0s');
    const one = await test();
    expect([old, second, third].map((secret) => verifies(secret, one))).toEqual([false, false, true]);
    expectInvalid(await api.admin.post(`${WEBHOOKS}/rotated/rotate`, { grace: '31d' }), '/grace too_large');
    await ended('rotated');
  });

  it('is edited, refused when it is not right, and deleted', async () => {
    await make('edited');
    const { body } = await api.admin
      .patch(`${WEBHOOKS}/edited`, { environments: ['staging'], enabled: false })
      .expect(200);
    expect(body).toMatchObject({ environments: ['staging'], enabled: false, version: 2 });
    const stale = api.admin.patch(`${WEBHOOKS}/edited`, { enabled: true }).set('if-match', '"1"');
    expectProblem(await stale, 412, 'version_stale');
    expectProblem(await api.admin.post(WEBHOOKS, { key: 'EDITED', url: receiver.url }), 409, 'key_taken');
    expectInvalid(
      await api.admin.post(WEBHOOKS, { key: 'x', url: 'ftp://example.com/', events: ['rollout.exploded'] }),
      '/events unknown_value',
    );
    expectInvalid(await api.admin.post(WEBHOOKS, { key: 'x', url: 'https://u:p@example.com/' }), '/url format');
    expectInvalid(
      await api.admin.post(WEBHOOKS, { key: 'x', url: 'https://example.com/', environments: ['production', 'moon'] }),
      '/environments/1 unknown_environment',
    );
    await ended('edited');
    expectProblem(await api.admin.get(`${WEBHOOKS}/edited`), 404, 'not_found');
    expectProblem(await api.admin.delete(`${WEBHOOKS}/edited`), 404, 'not_found');
  });
});

describe('a message', () => {
  const send = async (key: string): Promise<string> => {
    const { body } = await api.admin.post(`${WEBHOOKS}/${key}/test`).expect(202);
    return (body as { id: string }).id;
  };

  it('is sent again until it arrives, each time with the same id and the same bytes', async () => {
    receiver.answer = (_received, response, n) => void response.writeHead(n < 2 ? 503 : 200).end();
    const secret = await make('patient');
    const id = await send('patient');
    await settled('patient');
    expect(idsOf(receiver)).toEqual([id, id, id]);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    expect(receiver.received.every((received) => verifies(secret, received))).toBe(true);
    expect(await deliveriesOf('patient')).toMatchObject([{ id, state: 'delivered', attempts: 3, status: 200 }]);
    await ended('patient');
  });

  it('is given up in the end, visibly, and can be sent once more by hand', async () => {
    receiver.answer = (_received, response) => void response.writeHead(500).end();
    await make('hopeless');
    const id = await send('hopeless');
    await settled('hopeless');
    const failed = {
      id,
      state: 'failed',
      attempts: 3,
      status: 500,
      detail: 'The receiver answered 500.',
      nextAttemptAt: null,
    };
    expect(await deliveriesOf('hopeless', 'state=failed')).toMatchObject([failed]);
    const metrics = await api.as(undefined).get('/metrics').expect(200);
    expect(metrics.text).toMatch(/fledge_webhook_deliveries\{state="failed"\} [1-9]/);
    expect(metrics.text).toMatch(/fledge_webhook_attempts_total\{outcome="failed"\} [1-9]/);
    receiver.answer = (_received, response) => void response.writeHead(204).end();
    await api.admin.post(`${WEBHOOKS}/hopeless/deliveries/${id}/retry`).expect(202);
    await settled('hopeless');
    expect(await deliveriesOf('hopeless')).toMatchObject([{ id, state: 'delivered', attempts: 1 }]);
    expectProblem(await api.admin.post(`${WEBHOOKS}/hopeless/deliveries/nothing/retry`), 404, 'not_found');
    await ended('hopeless');
  });

  it('is no answer when it is a redirect, too late, or the end of the address; a body without end is not read', async () => {
    const answers: Record<string, Receiver['answer']> = {
      redirect: (_received, response) => void response.writeHead(307, { location: `${receiver.url}/inside` }).end(),
      late: () => undefined,
      gone: (_received, response) => void response.writeHead(410).end(),
      endless: (_received, response) => {
        response.writeHead(200);
        const pour = (): void =>
          void (response.destroyed || response.write('x'.repeat(65_536), () => setImmediate(pour)));
        pour();
      },
    };
    receiver.answer = (received, response, n) => answers[received.path.slice(1)]?.(received, response, n);
    for (const key of Object.keys(answers)) {
      await make(key, { url: `${receiver.url}/${key}` });
      await send(key);
    }
    for (const key of Object.keys(answers)) await settled(key);
    expect(await deliveriesOf('redirect')).toMatchObject([{ state: 'failed', status: 307, attempts: 3 }]);
    expect(receiver.received.map(({ path }) => path)).not.toContain('/inside');
    expect(await deliveriesOf('late')).toMatchObject([
      { state: 'failed', status: null, detail: 'No answer within 0.5 s.' },
    ]);
    expect(await deliveriesOf('gone')).toMatchObject([{ state: 'failed', status: 410, attempts: 1 }]);
    expect(await deliveriesOf('endless')).toMatchObject([{ state: 'delivered', status: 200 }]);
    for (const key of Object.keys(answers)) await ended(key);
  });

  it('that somebody else is sending is left alone until the lease lapses', async () => {
    await make('leased', { enabled: false });
    const id = await send('leased');
    const lease = (due: string) =>
      sql(
        database.url,
        `UPDATE webhook_delivery SET lease = gen_random_uuid(), due_at = now() + $2::interval WHERE id = $1`,
        [id, due],
      );
    await lease('60 s');
    await api.admin.patch(`${WEBHOOKS}/leased`, { enabled: true }).expect(200);
    // A later one waits behind it: one message at a time.
    const later = await send('leased');
    await make('beside');
    await send('beside');
    await settled('beside');
    expect(receiver.received).toHaveLength(1);
    await lease('-1 s');
    await settled('leased');
    expect(new Set(idsOf(receiver).slice(1))).toEqual(new Set([id, later]));
    expect(receiver.received).toHaveLength(3);
    for (const key of ['leased', 'beside']) await ended(key);
  });

  it('is sent once by however many replicas, also after one of them has stopped', async () => {
    const secret = await make('crowded');
    const others = [await start(), await start({ FLEDGE_SECRETS_KEY: KEYS.toReversed().join() })];
    const ids = await Promise.all(Array.from({ length: 12 }, () => send('crowded')));
    await others[0]?.stop();
    await settled('crowded');
    await others[1]?.stop();
    expect(receiver.received).toHaveLength(ids.length);
    expect(new Set(idsOf(receiver))).toEqual(new Set(ids));
    expect(receiver.received.every((received) => verifies(secret, received))).toBe(true);
    await ended('crowded');
  });

  it('is given back by a replica that stops in the middle of it', async () => {
    await make('interrupted', { enabled: false });
    const id = await send('interrupted');
    await api.stop();
    api = await start({}, { timeoutMs: 60_000 });
    receiver.answer = () => undefined;
    await api.admin.patch(`${WEBHOOKS}/interrupted`, { enabled: true }).expect(200);
    await until(() => receiver.received.length === 1, 'it is being sent');
    await api.stop();
    const rows = await sql(database.url, `SELECT state, attempts, lease FROM webhook_delivery WHERE id = $1`, [id]);
    expect(rows).toEqual([{ state: 'pending', attempts: 0, lease: null }]);
    receiver.answer = (_received, response) => void response.writeHead(204).end();
    api = await start();
    await settled('interrupted');
    expect(idsOf(receiver)).toEqual([id, id]);
    await ended('interrupted');
  });

  it('cannot be signed without the key that sealed the secret, and says so', async () => {
    await make('keyless', { enabled: false });
    await send('keyless');
    await api.stop();
    api = await start({ FLEDGE_SECRETS_KEY: KEYS[1] ?? '' });
    await api.admin.patch(`${WEBHOOKS}/keyless`, { enabled: true }).expect(200);
    await settled('keyless');
    const detail = expect.stringContaining('FLEDGE_SECRETS_KEY') as string;
    expect(await deliveriesOf('keyless')).toMatchObject([{ state: 'failed', detail }]);
    expect(receiver.received).toEqual([]);
    await api.stop();
    api = await start();
    await ended('keyless');
  });

  it('waits longer and longer, between the half and the whole of it, at most six hours: about a day in all', () => {
    const { retries } = readConfig({}).outgoing;
    const delays = (random: number): number[] =>
      Array.from({ length: retries.attempts - 1 }, (_, index) => delayAfter(index + 1, retries, random));
    expect(delays(1).slice(0, 4)).toEqual([5_000, 20_000, 80_000, 320_000]);
    expect(delays(0)).toEqual(delays(1).map((delay) => delay / 2));
    expect(Math.max(...delays(1))).toBe(6 * 3_600_000);
    const hours = delays(0.5).reduce((sum, delay) => sum + delay, 0) / 3_600_000;
    expect(Math.round(hours)).toBe(24);
  });

  it('is forgotten a week after it was delivered, and a month after it was given up', async () => {
    await make('forgetful', { enabled: false });
    const kept: string[] = [];
    for (const [state, days, stays] of [
      ['delivered', 6, true],
      ['delivered', 8, false],
      ['failed', 29, true],
      ['failed', 31, false],
      ['pending', 29, true],
    ] as const) {
      const id = await send('forgetful');
      const old = `UPDATE webhook_delivery SET state = $2, created_at = now() - $3 * interval '1 day' WHERE id = $1`;
      await sql(database.url, old, [id, state, days]);
      if (stays) kept.push(id);
    }
    const dataSource = await createDataSource({ url: database.url, poolSize: 1 }).initialize();
    await cleanUp(dataSource);
    await dataSource.destroy();
    const left = await deliveriesOf('forgetful');
    expect(new Set(left.map(({ id }) => id))).toEqual(new Set(kept));
    await ended('forgetful');
  });
});

describe('a rollout', () => {
  it('is taken back even while who listens goes, and never waits for who does not answer', async () => {
    receiver.answer = () => undefined;
    for (let index = 0; index < 6; index += 1) {
      await make(`going-${index}`, { events: ['rollout.started', 'rollout.rolled_back'] });
      const rollout = await startRollout(api, `going-${index}`);
      const [back, gone] = await Promise.all([
        steer(api.admin, rollout.id, 'rollback'),
        api.admin.delete(`${WEBHOOKS}/going-${index}`),
      ]);
      expect([back.status, gone.status]).toEqual([200, 204]);
    }
  });
});
