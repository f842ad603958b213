import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedPostgres } from '@fledge/embedded-postgres';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A socket that answers with the URL of this run's PostgreSQL, as a superuser; the first to ask waits for its start. */
    databaseServer: string;
  }
}

type Server = Pick<EmbeddedPostgres, 'url' | 'stop'>;

const PREFIX = 'fledge-test-';

/**
 * One server per run, started by the first spec that asks, so that the others cost nothing: an embedded one without
 * fsync that is removed at the end, or the one FLEDGE_TEST_DATABASE_URL names.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandoned();
  const directory = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  let starting: Promise<Server> | undefined;
  const door = createServer((socket) => {
    starting ??= startServer(directory);
    socket.on('error', () => undefined);
    starting.then(
      ({ url }) => socket.end(url),
      (error: unknown) => socket.end(`error: ${error instanceof Error ? error.message : String(error)}`),
    );
  });
  const path = process.platform === 'win32' ? `\\\\.\\pipe\\${PREFIX}${process.pid}` : join(directory, 'socket');
  await new Promise<void>((resolve, reject) => {
    door.once('error', reject);
    door.listen(path, resolve);
  });
  // Whoever may ask for the URL can run programs as this user.
  if (process.platform !== 'win32') await chmod(path, 0o600);
  project.provide('databaseServer', path);
  return async () => {
    door.close();
    await starting?.then((server) => server.stop()).catch(() => undefined);
    await rm(directory, { recursive: true, force: true });
  };
}

async function startServer(dataDir: string): Promise<Server> {
  const given = process.env['FLEDGE_TEST_DATABASE_URL'];
  if (given !== undefined && given !== '') {
    await dropTemplate(given);
    return { url: given, stop: () => Promise.resolve() };
  }
  // By its path: the package's name would lead a global setup to the built files, which a fresh clone does not have.
  const { startEmbeddedPostgres } = await import('../../libs/embedded-postgres/src/index.js');
  return startEmbeddedPostgres({ dataDir, database: 'postgres', durable: false });
}

/** On a server of longer life an earlier run has left its template, which may be of another schema. */
async function dropTemplate(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('DROP DATABASE IF EXISTS fledge_template WITH (FORCE)');
  } finally {
    await client.end();
  }
}

/** What runs that were killed left behind; their servers stopped with them. */
async function removeAbandoned(): Promise<void> {
  for (const entry of await readdir(tmpdir())) {
    const pid = entry.startsWith(PREFIX) ? Number.parseInt(entry.slice(PREFIX.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    // Another user's run is theirs to clear.
    await rm(join(tmpdir(), entry), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
