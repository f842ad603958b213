import { constants } from 'node:fs';
import { access, mkdir, realpath } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { locateNative } from './binaries.js';
import { ensureDatabase } from './database.js';
import { EmbeddedPostgresError } from './errors.js';
import { USER, checkVersion, clusterVersion, handOver, initCluster } from './initdb.js';
import { type Layout, layoutOf } from './layout.js';
import { type Lock, takeLock } from './lock.js';
import { ownerOf } from './ownership.js';
import { choosePort } from './port.js';
import { type Postmaster, stopPostmaster } from './postmaster.js';
import { type Route, routesFor } from './route.js';
import { type Runtime, prepareRuntime } from './runtime.js';
import { openServerLog } from './server-log.js';
import { type Server, startServer } from './server.js';
import { newPassword, readState, writeState } from './state.js';
import { Supervisor } from './supervisor.js';

export interface EmbeddedPostgresOptions {
  /** Made when missing; holds the data, the password (0600), the log and nothing of anybody else's. */
  readonly dataDir: string;
  /** Made when missing; default `fledge`. */
  readonly database?: string;
  /** False turns fsync off, for clusters that are thrown away; default true. */
  readonly durable?: boolean;
  /** Told in whole sentences what happens besides the ordinary. */
  readonly log?: (message: string) => void;
  /** Default 100. */
  readonly maxConnections?: number;
}

export interface EmbeddedPostgres {
  /** Reaches the database as its superuser; stays the same as long as this process runs, also over crashes. */
  readonly url: string;
  /** The data directory as an absolute path without symbolic links. */
  readonly dataDir: string;
  /** Stops the server in order (fast shutdown) and resolves when it is gone; may be called again. */
  stop(): Promise<void>;
}

/** What only tests change. */
export interface Internals {
  readonly native?: string;
  readonly routes?: (routes: Route[]) => Route[];
  readonly lockWaitMs?: number;
}

const LOCK_WAIT_MS = 3_000;
const PORT_ATTEMPTS = 5;

/** `startEmbeddedPostgres` with what tests may change. */
export async function start(options: EmbeddedPostgresOptions, internals: Internals = {}): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => undefined);
  const native = internals.native ?? locateNative();
  let lock: Lock | undefined;
  try {
    const layout = layoutOf(await makeDataDir(options.dataDir));
    await checkOwner(layout);
    const taken = await takeLock(layout.lock, layout.dataDir, internals.lockWaitMs ?? LOCK_WAIT_MS, log);
    lock = taken;
    const running = await startLocked(options, internals, native, layout, log);
    let stopped: Promise<void> | undefined;
    return {
      url: running.url,
      dataDir: layout.dataDir,
      stop: () => (stopped ??= running.stop().finally(() => taken.release())),
    };
  } catch (error) {
    lock?.release();
    throw error instanceof EmbeddedPostgresError ? error : unforeseen(error, options.dataDir);
  }
}

async function startLocked(
  options: EmbeddedPostgresOptions,
  internals: Internals,
  native: string,
  layout: Layout,
  log: (message: string) => void,
): Promise<{ url: string; stop(): Promise<void> }> {
  const { database = 'fledge', durable = true, maxConnections = 100 } = options;
  const runtime = await findRuntime(native, layout, internals, log);
  const { password, port } = await prepareCluster(runtime, layout, durable, log);
  const serverLog = openServerLog(layout.log);
  const server: Server = { runtime, layout, serverLog, log };
  let postmaster: Postmaster | undefined;
  try {
    const started = await startOnSomePort(server, port, { maxConnections, durable }, (spawned) => {
      postmaster = spawned;
    });
    const url = `postgres://${USER}:${password}@127.0.0.1:${started.settings.port}/${encodeURIComponent(database)}`;
    if (started.settings.port !== port) await writeState(layout.state, { password, port: started.settings.port });
    await ensureDatabase(url, database, layout.state);
    const supervisor = new Supervisor(server, started.settings, started.postmaster);
    return { url, stop: () => supervisor.stop().finally(() => serverLog.close()) };
  } catch (error) {
    if (postmaster) await stopPostmaster(postmaster);
    serverLog.close();
    throw error;
  }
}

async function makeDataDir(path: string): Promise<string> {
  try {
    await mkdir(resolve(path), { recursive: true, mode: 0o700 });
    await access(path, constants.W_OK | constants.X_OK);
    return await realpath(path);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      'unreachable',
      `The data directory ${resolve(path)} cannot be made or written (${messageOf(cause)}). ` +
        `Set FLEDGE_DATA_DIR to a directory that this user may write.`,
      { cause },
    );
  }
}

/** Root may run anybody's cluster, everybody else only their own. */
async function checkOwner(layout: Layout): Promise<void> {
  const uid = process.getuid?.();
  const owner = await ownerOf(layout.cluster);
  if (uid === undefined || uid === 0 || owner === undefined || owner.uid === uid) return;
  throw new EmbeddedPostgresError(
    'unreachable',
    `${layout.cluster} belongs to user id ${owner.uid}, but this process runs as ${uid}. Start as that user, ` +
      `give it away (sudo chown -R ${uid} ${layout.dataDir}), or set another FLEDGE_DATA_DIR.`,
  );
}

function unforeseen(cause: unknown, dataDir: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'failed',
    `The embedded PostgreSQL in ${resolve(dataDir)} could not be started: ${messageOf(cause)}.`,
    { cause },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function findRuntime(
  native: string,
  layout: Layout,
  internals: Internals,
  log: (message: string) => void,
): Promise<Runtime> {
  const [cluster, dataDir] = await Promise.all([ownerOf(layout.cluster), ownerOf(layout.dataDir)]);
  const { platform } = process;
  const routes = routesFor({ platform, uid: process.getuid?.(), hasAccount: hasAccount(), cluster, dataDir });
  const runtime = await prepareRuntime(native, layout, internals.routes?.(routes) ?? routes, log);
  if (runtime.route.kind === 'uid' && cluster !== undefined && cluster.uid !== runtime.route.owner.uid) {
    log(`giving ${layout.cluster} to user id ${runtime.route.owner.uid}, as which PostgreSQL runs from now on`);
    await handOver(layout.cluster, runtime.route.owner);
  }
  return runtime;
}

async function prepareCluster(
  runtime: Runtime,
  layout: Layout,
  durable: boolean,
  log: (message: string) => void,
): Promise<{ password: string; port?: number }> {
  const found = await clusterVersion(layout);
  const saved = await readState(layout.state);
  if (found !== undefined) {
    checkVersion(found, runtime.major, layout);
    if (saved !== undefined) return saved;
    throw new EmbeddedPostgresError(
      'failed',
      `${layout.state}, which holds the password of the database in ${layout.cluster}, is missing or damaged. ` +
        `Restore it, or move the data directory away to begin with an empty database.`,
    );
  }
  const state = saved ?? { password: newPassword() };
  await writeState(layout.state, state);
  log(`making a new PostgreSQL ${runtime.major} database in ${layout.dataDir}`);
  await initCluster(runtime, layout, state.password, durable);
  return state;
}

/** Another process may take the port between the look and the server's own bind; then another one is tried. */
async function startOnSomePort(
  server: Server,
  remembered: number | undefined,
  choices: { maxConnections: number; durable: boolean },
  onSpawn: (postmaster: Postmaster) => void,
): Promise<{ postmaster: Postmaster; settings: { port: number; maxConnections: number; durable: boolean } }> {
  for (let attempt = 1; ; attempt++) {
    const settings = { ...choices, port: await choosePort(attempt === 1 ? remembered : undefined) };
    const result = await startServer(server, settings, onSpawn);
    if (result.kind === 'ready') return { postmaster: result.postmaster, settings };
    if (result.kind === 'failed' || attempt === PORT_ATTEMPTS) throw result.error;
  }
}

function hasAccount(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}
