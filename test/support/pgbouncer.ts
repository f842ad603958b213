import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from './service.js';
import { until } from './wait.js';

/** A transaction pooler with two connections to a database. */
export interface PgBouncer {
  /** The database, through the pooler. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts one and waits until it passes queries on. */
export async function startPgBouncer(binary: string, databaseUrl: string): Promise<PgBouncer> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'fledge-pgbouncer-'));
  const own = await freePort();
  const settings = [
    '[databases]',
    `* = host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${own}`,
    'unix_socket_dir =',
    'auth_type = any',
    'pool_mode = transaction',
    'default_pool_size = 2',
    'max_client_conn = 200',
    'ignore_startup_parameters = extra_float_digits',
    'server_reset_query_always = 0',
  ];
  await writeFile(join(folder, 'pgbouncer.ini'), settings.join('\n'));
  // It refuses to run as root.
  await chmod(folder, 0o755);
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const child = spawn(binary, ['-q', join(folder, 'pgbouncer.ini')], { stdio: ['ignore', 'ignore', 'pipe'], ...user });
  let printed = '';
  child.stderr.on('data', (chunk) => (printed += String(chunk)));
  const url = `postgres://${username}@127.0.0.1:${own}${pathname}`;
  await until(async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('SELECT 1');
    await client.end();
    return true;
  }, 'pgbouncer passes queries on').catch((cause: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`pgbouncer did not start:\n${printed}`, { cause });
  });
  return {
    url,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
