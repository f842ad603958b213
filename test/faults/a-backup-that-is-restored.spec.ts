import { execFile } from 'node:child_process';
import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient, type FledgeClient } from '@fledge/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findOwnPostgres, startOwnPostgres, type OwnPostgres } from '../support/own-postgres.js';
import { buildReplica, launchReplica, type Replica } from '../support/replica.js';
import { removeDirectory, ROOT, startService, temporaryDirectory, type Service } from '../support/service.js';
import { ServiceClient } from '../support/service-client.js';
import { everyRow } from '../support/sql.js';
import { openStream } from '../support/sse.js';
import { until } from '../support/wait.js';

const programs = await findOwnPostgres();
const clients: FledgeClient[] = [];

beforeAll(buildReplica, 120_000);

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

/** An SDK whose service is wherever `url` says at the moment. */
async function connect(url: () => string, key: string): Promise<FledgeClient> {
  const client = createClient({
    url: 'http://fledge.test',
    sdkKey: key,
    fetch: (asked, init) => fetch(asked.replace('http://fledge.test', url()), init),
    random: () => 0.1,
  });
  clients.push(client);
  await client.ready();
  return client;
}

/** The commands of docs/operations.md that back up and restore, in their order. */
async function documentedCommands(): Promise<readonly [backup: string, restore: string]> {
  const manual = await readFile(join(ROOT, 'docs/operations.md'), 'utf8');
  const [, block = ''] = /## Backup and restore[^]*?```sh\n([^`]+)```/.exec(manual) ?? [];
  const [backup, restore, ...more] = block.split('\n').filter((line) => /^\w/.test(line));
  if (backup === undefined || restore === undefined || more.length > 0)
    throw new Error(`Expected two commands in docs/operations.md, found:\n${block}`);
  return [backup, restore];
}

/** All rows, in order, but for when tokens were last used, which is written down once a minute. */
const contents = async (url: string): Promise<string[]> =>
  (await everyRow(url)).filter((row) => !row.startsWith('token '));

describe.skipIf(programs === undefined)(
  'pg_dump and pg_restore, as docs/operations.md says, while replicas run',
  { timeout: 60_000 },
  () => {
    let postgres: OwnPostgres;
    let replicas: Replica[];
    let folder: string;

    beforeAll(async () => {
      folder = await temporaryDirectory();
      postgres = await startOwnPostgres(programs ?? '');
      replicas = await Promise.all([launchReplica(postgres.url), launchReplica(postgres.url)]);
      for (const replica of replicas) await replica.ready();
    }, 60_000);

    afterAll(async () => {
      for (const replica of replicas) await replica.kill();
      await postgres.stop();
      await removeDirectory(folder);
    });

    const shell = (command: string) =>
      promisify(execFile)('sh', ['-euc', command], {
        cwd: folder,
        env: { PATH: `${programs}:${process.env['PATH']}`, DATABASE_URL: postgres.url },
      });

    it('bring back everything, tokens too, and take every replica and every SDK back with them', async () => {
      const [backup, restore] = await documentedCommands();
      const [first, second] = replicas as [Replica, Replica];
      const statusOf = async (key: string): Promise<number[]> =>
        Promise.all(
          replicas.map(async ({ url }) => (await new ServiceClient(url, key).ask('GET', '/sdk/v1/snapshot')).status),
        );
      await first.admin.begin();
      await first.admin.makeFlags('checkout');
      const { key } = await first.admin.makeKey();
      const revoked = await first.admin.makeKey();
      const client = await connect(() => first.url, key);
      const stream = await openStream(second.url, key);
      const backedUp = await first.admin.toggle('checkout', true);
      await until(() => client.status.version === backedUp, 'the SDK has it');
      const rows = await contents(postgres.url);

      await shell(backup);
      const { key: late } = await second.admin.makeKey();
      await second.admin.must('DELETE', `/tokens/${revoked.id}`);
      await second.admin.makeFlags('late');
      for (const on of [false, true, false]) await second.admin.toggle('checkout', on);
      await until(() => !client.boolean('checkout', { targetingKey: 'u' }, true), 'the SDK goes on');
      await until(async () => (await statusOf(revoked.key)).join() === '401,401', 'the key is revoked');
      expect(await statusOf(late)).toEqual([200, 200]);

      await shell(restore);
      expect(await contents(postgres.url)).toEqual(rows);
      await until(() => client.status.version === backedUp, 'the SDK is taken back', 20_000);
      expect(client.status.state).toBe('ready');
      expect(client.boolean('checkout', { targetingKey: 'u' }, false)).toBe(true);
      expect(client.snapshot?.flags).not.toHaveProperty('late');
      await until(
        () => stream.events.at(-1)?.data['reset'] === true,
        'the stream was told that history is another one',
      );
      expect(stream.events.at(-1)).toMatchObject({ type: 'put', data: { version: backedUp } });
      expect(await statusOf(key)).toEqual([200, 200]);
      await until(async () => (await statusOf(late)).join() === '401,401', 'a key of the lost time is unknown');
      // As the manual warns: what was revoked after the backup is not revoked in it.
      await until(async () => (await statusOf(revoked.key)).join() === '200,200', 'the revocation is lost');

      const next = await second.admin.toggle('checkout', false);
      await until(() => client.status.version === next, 'the SDK follows the new history');
      expect(client.boolean('checkout', { targetingKey: 'u' }, true)).toBe(false);
      stream.close();
    });
  },
);

describe('a copy of the data directory of a service that is stopped', { timeout: 120_000 }, () => {
  let dataDir: string;
  let service: Service | undefined;

  beforeAll(async () => {
    dataDir = await temporaryDirectory();
  });

  afterAll(async () => {
    await service?.stop();
    for (const path of [dataDir, `${dataDir}-copy`]) await removeDirectory(path);
  });

  const copy = (from: string, to: string) => cp(from, to, { recursive: true, preserveTimestamps: true });
  const url = (): string => service?.url ?? '';
  const toggle = (admin: string, on: boolean) => new ServiceClient(url(), admin).toggle('checkout', on);

  it('put in its place brings back everything, tokens too, and takes SDKs back with it', async () => {
    service = await startService(dataDir);
    const { adminToken, sdkKeys } = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')) as {
      adminToken: string;
      sdkKeys: Record<string, string>;
    };
    await new ServiceClient(url(), adminToken).makeFlags('checkout');
    const backedUp = await toggle(adminToken, true);
    const client = await connect(url, sdkKeys['production'] ?? '');
    await service.stop();
    await copy(dataDir, `${dataDir}-copy`);

    service = await startService(dataDir);
    const lost = await toggle(adminToken, false);
    await until(() => client.status.version === lost, 'the SDK goes on', 30_000);
    await service.stop();
    await rm(dataDir, { recursive: true });
    await copy(`${dataDir}-copy`, dataDir);

    service = await startService(dataDir);
    await until(
      () => client.status.version === backedUp && client.status.state === 'ready',
      'the SDK is taken back',
      30_000,
    );
    expect(client.boolean('checkout', { targetingKey: 'u' }, false)).toBe(true);
    const next = await toggle(adminToken, false);
    await until(() => client.status.version === next, 'the SDK follows the new history');
    expect(client.boolean('checkout', { targetingKey: 'u' }, true)).toBe(false);
  });
});
