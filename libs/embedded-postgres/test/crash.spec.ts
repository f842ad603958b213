import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedPostgres } from '../src/index.js';
import { eventually, postmasterOf, processesOn, query } from './support/observe.js';
import { bundleApp, launchApp, makeScratch, removeAll, startApp, urlOf } from './support/start-app.js';

let bundle = '';
let dataDir = '';

beforeAll(async () => {
  bundle = await bundleApp(await makeScratch());
  dataDir = await makeScratch();
});
afterAll(removeAll);

describe('after a kill -9', () => {
  it('of the server, the server is back on the same URL with everything committed', async () => {
    const told: string[] = [];
    const postgres = await startEmbeddedPostgres({ dataDir, log: (message) => told.push(message) });
    await query(postgres.url, 'CREATE TABLE commits (n int)');
    for (let round = 1; round <= 2; round++) {
      await query(postgres.url, `INSERT INTO commits VALUES (${round})`);
      const killed = await postmasterOf(dataDir);
      process.kill(killed, 'SIGKILL');
      const rows = await eventually(
        () => query(postgres.url, 'SELECT count(*)::int AS count FROM commits'),
        () => true,
      );
      expect(rows).toEqual([{ count: round }]);
      expect(await postmasterOf(dataDir)).not.toBe(killed);
    }
    await postgres.stop();
    expect(await processesOn(dataDir)).toEqual([]);
    expect(told).toContain('PostgreSQL ended unasked (signal SIGKILL); starting it again');
  });

  it('of the server, stop() still ends everything, also while it is being started again', async () => {
    const postgres = await startEmbeddedPostgres({ dataDir });
    process.kill(await postmasterOf(dataDir), 'SIGKILL');
    await sleep(55);
    await postgres.stop();
    await sleep(200);
    expect(await processesOn(dataDir)).toEqual([]);
  });

  it('of the program, the server stops by itself and the next start has everything committed', async () => {
    const app = await startApp(bundle, { dataDir });
    await query(urlOf(app), 'INSERT INTO commits VALUES (3)');
    const busy = new Client({ connectionString: urlOf(app) });
    busy.on('error', () => undefined);
    await busy.connect();
    const cut = busy.query('BEGIN; INSERT INTO commits VALUES (99); SELECT pg_sleep(60)').catch(() => 'cut');
    await app.end('SIGKILL');
    expect(await cut).toBe('cut');

    const next = await startApp(bundle, { dataDir });
    expect(await query(urlOf(next), 'SELECT array_agg(n ORDER BY n) AS n FROM commits')).toEqual([{ n: [1, 2, 3] }]);
    await next.end('SIGKILL');
    expect(
      await eventually(
        () => processesOn(dataDir),
        (pids) => pids.length === 0,
      ),
    ).toEqual([]);
  });

  it('of both at once, the next start recovers', async () => {
    const app = await startApp(bundle, { dataDir });
    await query(urlOf(app), 'INSERT INTO commits VALUES (4)');
    process.kill(await postmasterOf(dataDir), 'SIGKILL');
    await app.end('SIGKILL');
    const next = await startApp(bundle, { dataDir });
    expect(await query(urlOf(next), 'SELECT max(n) AS max FROM commits')).toEqual([{ max: 4 }]);
    await next.end('SIGTERM');
    expect(await processesOn(dataDir)).toEqual([]);
  });

  it('of the program without the tools of util-linux, a watchdog stops the server', async () => {
    // As root the server could not be started at all without them.
    const ordinary = process.getuid?.() === 0 ? { uid: 65_534 } : {};
    const own = await makeScratch(0o777);
    const app = await startApp(bundle, { dataDir: own, durable: false }, { ...ordinary, path: '/nonexistent' });
    expect(await query(urlOf(app), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await app.end('SIGKILL');
    expect(
      await eventually(
        () => processesOn(own),
        (left) => left.length === 0,
      ),
    ).toEqual([]);
  });

  it('an orphan that goes on is stopped by the next start, which has everything committed', async () => {
    const app = await startApp(bundle, { dataDir });
    const orphan = await postmasterOf(dataDir);
    await query(urlOf(app), 'INSERT INTO commits VALUES (5)');
    // Asleep, it does not hear that its parent died.
    process.kill(orphan, 'SIGSTOP');
    await app.end('SIGKILL');
    expect(await processesOn(dataDir)).toContain(orphan);
    const next = await startApp(bundle, { dataDir });
    expect(await postmasterOf(dataDir)).not.toBe(orphan);
    expect(await query(urlOf(next), 'SELECT max(n) AS max FROM commits')).toEqual([{ max: 5 }]);
    await next.end('SIGTERM');
  });

  it('in the middle of the first start, the next start begins anew', async () => {
    const fresh = await makeScratch();
    const app = launchApp(bundle, { dataDir: fresh, durable: false });
    await eventually(
      () => readdir(fresh),
      (entries) => entries.some((entry) => entry.startsWith('postgres-init-')),
    );
    await sleep(200);
    app.kill('SIGKILL');
    const postgres = await startEmbeddedPostgres({ dataDir: fresh, durable: false });
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await postgres.stop();
    expect((await readdir(fresh)).filter((entry) => entry.startsWith('postgres-init-'))).toEqual([]);
  });

  it('and a process id given to somebody else since, the next start is not misled', async () => {
    const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
    const app = await startApp(bundle, { dataDir });
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await app.end('SIGTERM');
    await writeFile(pidFile, [String(process.ppid), ...lines.slice(1)].join('\n'));
    const next = await startApp(bundle, { dataDir });
    expect(await query(urlOf(next), 'SELECT max(n) AS max FROM commits')).toEqual([{ max: 5 }]);
    await next.end('SIGTERM');
  });
});
