import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgresError } from './errors.js';
import type { Layout } from './layout.js';
import { type Postmaster, pidFileMark, spawnPostmaster, untilReady } from './postmaster.js';
import { makeWay } from './predecessor.js';
import { describeEnd } from './run.js';
import type { Runtime } from './runtime.js';
import type { ServerLog } from './server-log.js';
import { type ServerSettings, serverArguments } from './settings.js';

/** Everything that stays the same over the restarts of one server. */
export interface Server {
  readonly runtime: Runtime;
  readonly layout: Layout;
  readonly serverLog: ServerLog;
  readonly log: (message: string) => void;
}

/** A server that accepts connections, or why there is none. */
export type Start =
  | { readonly kind: 'ready'; readonly postmaster: Postmaster }
  | { readonly kind: 'port-taken' | 'failed'; readonly error: EmbeddedPostgresError };

const OCCUPIED_TIMEOUT_MS = 15_000;
const RETRY_MS = 100;

/**
 * Starts the server and waits until it is ready. What a crashed predecessor left behind (an orphan, a zombie, backends
 * that still finish) is waited for unless told to give up; `onSpawn` sees every process that is started, ready or not.
 */
export async function startServer(
  server: Server,
  settings: ServerSettings,
  onSpawn: (postmaster: Postmaster) => void,
  giveUp?: AbortSignal,
): Promise<Start> {
  const { runtime, layout, serverLog } = server;
  const deadline = Date.now() + OCCUPIED_TIMEOUT_MS;
  for (;;) {
    const stalePid = await makeWay(layout.cluster, server.log);
    const stale = await pidFileMark(layout.cluster);
    serverLog.mark();
    const args = serverArguments(settings, process.pid);
    const postmaster = spawnPostmaster(runtime, layout.cluster, args, serverLog.fd, stalePid);
    onSpawn(postmaster);
    if (await untilReady(postmaster, layout.cluster, stale)) return { kind: 'ready', postmaster };
    const how = describeEnd(await postmaster.ended);
    const tail = serverLog.tail();
    if (isOccupied(tail) && Date.now() < deadline && giveUp?.aborted !== true) {
      await sleep(RETRY_MS);
      continue;
    }
    const kind = isPortTaken(tail) ? 'port-taken' : 'failed';
    return { kind, error: explain(how, tail, server) };
  }
}

/** PostgreSQL's own words, in English because the server runs with LC_ALL=C. */
function isOccupied(tail: string): boolean {
  return /lock file "postmaster\.pid" already exists|pre-existing shared memory block/.test(tail);
}

function isPortTaken(tail: string): boolean {
  return /could not bind .*Address already in use/.test(tail);
}

function explain(how: string, tail: string, server: Server): EmbeddedPostgresError {
  const words = tail === '' ? 'It wrote nothing.' : `Its last words:\n${tail}`;
  return new EmbeddedPostgresError(
    'failed',
    `PostgreSQL did not start on ${server.layout.cluster} (${how}; log: ${server.serverLog.file}). ${words}`,
  );
}
