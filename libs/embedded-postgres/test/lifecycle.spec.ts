import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedPostgres } from '../src/index.js';
import { query, processesOn } from './support/observe.js';
import { makeScratch, removeAll } from './support/start-app.js';

let dataDir = '';

beforeAll(async () => {
  dataDir = join(await makeScratch(), "made on the way, it's");
});
afterAll(removeAll);

describe('an embedded PostgreSQL', () => {
  it('makes the database on the first start, beside what an earlier one that was cut short left behind', async () => {
    const half = join(dataDir, 'postgres-init-abc');
    await mkdir(join(half, 'data'), { recursive: true });
    await writeFile(join(half, 'data', 'PG_VERSION'), '18\n');
    await mkdir(join(dataDir, 'postgres'));
    const postgres = await startEmbeddedPostgres({ dataDir });
    expect(await query(postgres.url, 'SELECT current_database() AS name')).toEqual([{ name: 'fledge' }]);
    await postgres.stop();
    await expect(stat(half)).rejects.toThrow('ENOENT');
  });

  it('keeps its rows and its URL over a restart', async () => {
    const first = await startEmbeddedPostgres({ dataDir });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();

    const second = await startEmbeddedPostgres({ dataDir });
    expect(second.url).toBe(first.url);
    expect(second.dataDir).toBe(dataDir);
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await second.stop();
  });

  it('is durable, deterministic and closed to the world unless asked otherwise', async () => {
    const postgres = await startEmbeddedPostgres({ dataDir, database: 'Fähre "1"', maxConnections: 17 });
    const names = ['fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'unix_socket_directories'];
    const values = [...names, 'max_connections', 'server_encoding', 'timezone', 'password_encryption'];
    const rows = await query(
      postgres.url,
      `SELECT ${values.map((name) => `current_setting('${name}') AS ${name}`).join(', ')},
        current_database() AS name, datlocprovider AS provider, datlocale AS locale
       FROM pg_database WHERE datname = current_database()`,
    );
    expect(rows).toEqual([
      {
        fsync: 'on',
        synchronous_commit: 'on',
        full_page_writes: 'on',
        listen_addresses: '127.0.0.1',
        unix_socket_directories: '',
        max_connections: '17',
        server_encoding: 'UTF8',
        timezone: 'UTC',
        password_encryption: 'scram-sha-256',
        name: 'Fähre "1"',
        provider: 'b',
        locale: 'C.UTF-8',
      },
    ]);
    expect((await stat(join(dataDir, 'postgres.json'))).mode & 0o777).toBe(0o600);
    const wrong = new URL(postgres.url);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);

    await postgres.stop();
    const fast = await startEmbeddedPostgres({ dataDir, durable: false });
    expect(await query(fast.url, 'SHOW fsync')).toEqual([{ fsync: 'off' }]);
    await fast.stop();
  });

  it('stops without leaving a process, however often and early it is asked', async () => {
    const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
    expect(await processesOn(dataDir)).not.toEqual([]);
    await Promise.all([postgres.stop(), postgres.stop()]);
    await postgres.stop();
    expect(await processesOn(dataDir)).toEqual([]);
    await expect(readFile(join(dataDir, 'postgres', 'postmaster.pid'))).rejects.toThrow('ENOENT');
    const log = await readFile(join(dataDir, 'postgres.log'), 'utf8');
    expect(log).toContain('database system is shut down');
  });

  it('moves to another port when somebody took its own in the meantime', async () => {
    const first = await startEmbeddedPostgres({ dataDir, durable: false });
    await first.stop();
    const squatter = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    const second = await startEmbeddedPostgres({ dataDir, durable: false });
    expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.stop();
    squatter.close();
  });
});
