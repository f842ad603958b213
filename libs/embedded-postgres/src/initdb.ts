import { chown, lchown, mkdir, mkdtemp, open, readFile, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { USE_DATABASE_URL } from './binaries.js';
import { EmbeddedPostgresError } from './errors.js';
import type { Layout } from './layout.js';
import type { Owner } from './ownership.js';
import { describeEnd, run } from './run.js';
import type { Runtime } from './runtime.js';

/** The name of the superuser. */
export const USER = 'postgres';

const STAGING = 'postgres-init-';

/** The major version of the cluster's data, or undefined when there is no cluster yet; throws on anything else. */
export async function clusterVersion(layout: Layout): Promise<number | undefined> {
  const version = await readFile(join(layout.cluster, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version !== undefined) return Number.parseInt(version, 10);
  const entries = await readdir(layout.cluster).catch(() => undefined);
  if (entries === undefined) return undefined;
  if (entries.length === 0) {
    await rmdir(layout.cluster);
    return undefined;
  }
  throw new EmbeddedPostgresError(
    'version',
    `${layout.cluster} is not empty but holds no PostgreSQL data (PG_VERSION is missing). ` +
      `Restore it from a backup, or move it away to begin with an empty database.`,
  );
}

/** Throws `version` unless the data was made by this major version of PostgreSQL: no other can read it. */
export function checkVersion(found: number, expected: number, layout: Layout): void {
  if (found === expected) return;
  throw new EmbeddedPostgresError(
    'version',
    `The data in ${layout.cluster} is of PostgreSQL ${found}, but this Fledge brings PostgreSQL ${expected}. ` +
      `Start the Fledge that made it, dump it there with pg_dump ${found}, and load the dump into an empty data directory; ` +
      `or run it with a PostgreSQL ${found} of your own and set DATABASE_URL.`,
  );
}

/**
 * Makes the cluster in one step: it is built beside its place and then renamed, so that a kill -9 at any moment leaves
 * either no cluster or a whole one. Deterministic: UTF8, the C.UTF-8 locale built into PostgreSQL, scram, loopback.
 */
export async function initCluster(runtime: Runtime, layout: Layout, password: string, durable: boolean): Promise<void> {
  await removeLeftovers(layout);
  const staging = await mkdtemp(join(layout.dataDir, STAGING));
  const data = join(staging, 'data');
  const secret = join(staging, 'password');
  await mkdir(data, { mode: 0o700 });
  await writeFile(secret, password, { mode: 0o600 });
  if (runtime.route.kind === 'uid') {
    const { uid, gid } = runtime.route.owner;
    for (const path of [secret, data, staging]) await chown(path, uid, gid);
  }
  const ended = await run(runtime.command('initdb', initArguments(data, secret, durable), 'TERM'));
  if (ended.code !== 0) {
    await removeLeftovers(layout);
    if (ended.output.includes('could not look up effective user ID')) {
      throw new EmbeddedPostgresError(
        'unreachable',
        `PostgreSQL can be set up only by a user with a name, but user id ${process.getuid?.()} has none in /etc/passwd. ` +
          `Start as a user that has one (in a container: --user node). ${USE_DATABASE_URL}`,
      );
    }
    throw new EmbeddedPostgresError(
      'failed',
      `initdb could not make a database in ${layout.dataDir} (${describeEnd(ended)}):\n${ended.output.trim()}`,
    );
  }
  await rename(data, layout.cluster);
  if (durable) await syncDirectory(layout.dataDir);
  await removeLeftovers(layout);
}

function initArguments(data: string, secret: string, durable: boolean): string[] {
  return [
    `--pgdata=${data}`,
    `--username=${USER}`,
    `--pwfile=${secret}`,
    '--auth-host=scram-sha-256',
    '--auth-local=reject',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--text-search-config=simple',
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ];
}

/** Gives an existing cluster to another user, its top last: a run that was cut short is seen and repeated. */
export async function handOver(cluster: string, owner: Owner): Promise<void> {
  for (const entry of await readdir(cluster, { withFileTypes: true, recursive: true })) {
    await lchown(join(entry.parentPath, entry.name), owner.uid, owner.gid);
  }
  await chown(cluster, owner.uid, owner.gid);
}

/** Only the holder of the lock may call this: what it removes might else be another's work in progress. */
async function removeLeftovers(layout: Layout): Promise<void> {
  for (const entry of await readdir(layout.dataDir)) {
    if (!entry.startsWith(STAGING)) continue;
    await rm(join(layout.dataDir, entry), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open directories.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
