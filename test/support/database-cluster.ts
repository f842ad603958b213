import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
// By its path: the package's name would lead a global setup to the built files, which a fresh clone does not have.
import { startEmbeddedPostgres } from '../../libs/embedded-postgres/src/index.js';
import { dropTemplate } from './database.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server of this run, as a superuser; `createDatabase` makes databases of one's own in it. */
    databaseUrl: string;
  }
}

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

const PREFIX = 'fledge-test-';

/**
 * One server per run: an embedded one without fsync that is removed at the end, or the one FLEDGE_TEST_DATABASE_URL
 * names. The schema is not loaded here but by the first spec that needs a database, so that the others start at once.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer();
  project.provide('databaseUrl', server.url);
  return () => server.stop();
}

async function startServer(): Promise<Server> {
  const given = process.env['FLEDGE_TEST_DATABASE_URL'];
  if (given !== undefined && given !== '') {
    await dropTemplate(given);
    return { url: given, stop: () => Promise.resolve() };
  }
  await removeAbandoned();
  const dataDir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  try {
    const postgres = await startEmbeddedPostgres({ dataDir, database: 'postgres', durable: false });
    return {
      url: postgres.url,
      async stop() {
        await postgres.stop();
        await rm(dataDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
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
