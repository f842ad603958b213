import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '@fledge/embedded-postgres';
import { createClient, type FledgeClient } from '@fledge/sdk';
import type { Snapshot } from '@fledge/evaluation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildReplica, launchReplica, type Replica } from '../support/replica.js';
import { removeDirectory, temporaryDirectory } from '../support/service.js';
import { ServiceClient } from '../support/service-client.js';
import { sql } from '../support/sql.js';
import { until } from '../support/wait.js';
import { WriteLoad } from '../support/write-load.js';

/** `npm run test:kill` sets it to many more. */
const ROUNDS = Number(process.env['FLEDGE_KILL_ROUNDS'] ?? 20);
const DATABASE_ROUNDS = Math.ceil(ROUNDS / 5);
/** Acknowledged writes between two kills, at least. */
const BETWEEN = 15;
/** As many start at once. */
const SPARES = 2;

let dataDir: string;
let postgres: EmbeddedPostgres;
/** Those that are sent requests, the oldest first. */
let serving: Replica[] = [];
/** Those that start meanwhile, so that a round need not wait for one. */
const spares: Promise<Replica>[] = [];
let load: WriteLoad;
let key: string;
const clients: { readonly client: FledgeClient; readonly versions: number[] }[] = [];

const pick = (): Replica => serving[Math.floor(Math.random() * serving.length)] as Replica;
const launch = (): Promise<Replica> => launchReplica(postgres.url);

/** An SDK whose requests go to any replica that serves, as a load balancer would have it. */
function connect(): void {
  const versions: number[] = [];
  const client = createClient({
    url: 'http://fledge.test',
    sdkKey: key,
    fetch: (url, init) => fetch(url.replace('http://fledge.test', pick().url), init),
    pollIntervalMs: 1_000,
    random: () => Math.random() / 4,
  });
  client.on('change', ({ version }) => void versions.push(version));
  clients.push({ client, versions });
}

/** The next replica that is ready to serve; another one begins to start in its place if one will be needed. */
async function relief(more: boolean): Promise<Replica> {
  const next = await spares.shift();
  if (next === undefined) throw new Error('There is no spare.');
  await next.ready();
  if (more) spares.push(launch());
  return next;
}

/** What the replicas logged as errors, for whoever reads a failure. */
const errors = (): string => serving.map((replica) => replica.output()).join('');

/** None of those that serve has ended by itself. */
function expectAlive(): void {
  for (const replica of serving) expect(replica.ended(), replica.output()).toBeUndefined();
}

const snapshotFrom = async (replica: Replica): Promise<Snapshot> =>
  (await new ServiceClient(replica.url, key).must('GET', '/sdk/v1/snapshot')).body as Snapshot;

const newest = async (): Promise<string> => {
  const [row] = await sql<{ revision: string }>(
    postgres.url,
    `SELECT revision FROM environment WHERE key = 'production'`,
  );
  return row?.revision ?? '';
};

/** Every replica and every SDK holds what the database holds. */
async function expectAgreement(): Promise<void> {
  const revision = await newest();
  for (const replica of serving)
    await until(async () => (await snapshotFrom(replica)).revision === revision, 'the replica is there', 30_000);
  const snapshot = await snapshotFrom(pick());
  for (const { client } of clients) {
    await until(() => client.snapshot?.revision === revision, 'the SDK is there', 30_000);
    expect(client.snapshot?.flags).toEqual(snapshot.flags);
    expect(client.status.state).toBe('ready');
  }
}

beforeAll(async () => {
  await buildReplica();
  dataDir = await temporaryDirectory();
  postgres = await startEmbeddedPostgres({ dataDir });
  serving = await Promise.all([launch(), launch()]);
  for (const replica of serving) await replica.ready();
  for (let count = 0; count < SPARES; count++) spares.push(launch());
  await pick().admin.begin();
  key = (await pick().admin.makeKey()).key;
  load = new WriteLoad(() => pick().admin);
  await load.begin();
  for (let count = 0; count < 3; count++) connect();
  await Promise.all(clients.map(({ client }) => client.ready()));
}, 180_000);

afterAll(async () => {
  await load.end();
  for (const { client } of clients) await client.close();
  await Promise.all([...serving, ...(await Promise.all(spares))].map((replica) => replica.kill()));
  await postgres.stop();
  await removeDirectory(dataDir);
});

describe('under write load', { timeout: 120_000 }, () => {
  it(
    `a replica that is killed, ${ROUNDS} times, loses no acknowledged write and leaves none half written`,
    async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const enough = load.acknowledged.size + BETWEEN;
        await until(() => load.acknowledged.size >= enough, 'there is load', 60_000, 2);
        // Not in step with the writers: at whatever a write is at.
        await sleep(Math.random() * 10);
        const [victim, other] = serving as [Replica, Replica];
        serving = [other];
        await victim.kill();
        serving = [other, await relief(round < ROUNDS - SPARES)];
        expectAlive();
      }
      expect(await load.verify(postgres.url), errors()).toEqual([]);
      expect(load.acknowledged.size).toBeGreaterThan(ROUNDS * BETWEEN);
    },
    60_000 + ROUNDS * 40_000,
  );

  it(
    'PostgreSQL that is killed and comes back has every acknowledged write, and the replicas go on by themselves',
    async () => {
      for (let round = 0; round < DATABASE_ROUNDS; round++) {
        for (const extra of serving.splice(2)) await extra.kill();
        const pid = Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
        process.kill(pid, 'SIGKILL');
        // This one starts while there is no database, the others go on through it.
        spares.push(launch());
        const enough = load.acknowledged.size + 2 * BETWEEN;
        await until(() => load.acknowledged.size >= enough, 'writes go on', 60_000);
        expectAlive();
        serving.push(await relief(false));
      }
      for (const replica of serving)
        await until(
          async () => (await replica.admin.ask('GET', '/health/ready')).body.changes === 'listening',
          'it listens',
          30_000,
        );
      expect(await load.verify(postgres.url), errors()).toEqual([]);
      expectAlive();
    },
    60_000 + DATABASE_ROUNDS * 60_000,
  );

  it('no SDK was ever taken back, and all end where the database is', async () => {
    await load.end();
    await expectAgreement();
    for (const { versions } of clients) {
      expect(versions.length).toBeGreaterThan(10);
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    }
  });
});

describe('three replicas', { timeout: 60_000 }, () => {
  it('show a write that any of them acknowledged, each', async () => {
    expect(serving).toHaveLength(3);
    await pick().admin.makeFlags('seen');
    for (let count = 0; count < 9; count++) {
      const version = await (serving[count % 3] as Replica).admin.toggle('seen', count % 2 === 0);
      for (const replica of serving)
        await until(async () => (await snapshotFrom(replica)).version === version, 'the replica has it', 3_000, 5);
    }
    await expectAgreement();
  });
});

describe('a replica that is started while PostgreSQL is away', { timeout: 120_000 }, () => {
  it('lives, says that it is not ready, refuses with Retry-After, and serves as soon as it can', async () => {
    await postgres.stop();
    const early = await launch();
    const ask = (path: string) => early.admin.ask('GET', path);
    await until(async () => (await ask('/health/live')).status === 200, 'it lives', 60_000);
    expect(await ask('/health/ready')).toMatchObject({ status: 503, body: { ready: false, database: 'unreachable' } });
    const refused = await ask('/projects');
    expect(refused).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    postgres = await startEmbeddedPostgres({ dataDir });
    await early.ready();
    expect((await ask('/projects')).status).toBe(200);
    await early.kill();
  });
});

describe('a database that is restored from a backup, or fails over and loses writes', { timeout: 120_000 }, () => {
  it('takes every replica and every SDK back with it, and no version is mistaken for another', async () => {
    const copy = `${dataDir}-copy`;
    const at = await newest();
    await postgres.stop();
    await cp(join(dataDir, 'postgres'), copy, { recursive: true, preserveTimestamps: true });
    postgres = await startEmbeddedPostgres({ dataDir });
    await until(async () => (await pick().admin.toggle('seen', false)) > 0, 'writes go on');
    for (const on of [true, false, true]) await pick().admin.toggle('seen', on);
    await expectAgreement();
    const lost = await newest();

    await postgres.stop();
    await rm(join(dataDir, 'postgres'), { recursive: true });
    await cp(copy, join(dataDir, 'postgres'), { recursive: true, preserveTimestamps: true });
    await rm(copy, { recursive: true });
    postgres = await startEmbeddedPostgres({ dataDir });
    expect(await newest()).toBe(at);
    await until(async () => (await pick().admin.toggle('seen', false)) > 0, 'writes go on');
    await expectAgreement();
    expect(Number.parseInt(await newest(), 10)).toBeLessThan(Number.parseInt(lost, 10));
  });
});
