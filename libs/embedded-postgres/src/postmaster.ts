import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ended, identityOf, run } from './run.js';
import type { Runtime } from './runtime.js';

/** PostgreSQL's main process, a child of ours that does not keep us alive. */
export interface Postmaster {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Settles when it has ended and the kernel has forgotten it. */
  readonly ended: Promise<Omit<Ended, 'output'>>;
  /** INT stops at once but in order, QUIT leaves the rest to the next start's recovery. */
  signal(name: 'INT' | 'QUIT' | 'KILL'): void;
  /** Keeps us alive until it has ended. */
  ref(): void;
}

/** How long stopping in order may take before it is cut short; what is committed survives either way. */
export const STOP_TIMEOUT_MS = 60_000;
const QUIT_TIMEOUT_MS = 10_000;
const POLL_MS = 5;

/** Starts PostgreSQL in its own process group (Ctrl-C reaches only us), stopped by the kernel or a watchdog if we die. */
export function spawnPostmaster(
  runtime: Runtime,
  cluster: string,
  args: readonly string[],
  logFd: number,
  stalePid: number | undefined,
): Postmaster {
  const command = runtime.command('postgres', ['-D', cluster, ...args], 'INT');
  // PostgreSQL takes any living process with the id in postmaster.pid for its predecessor, except this one, which is
  // meant for pg_ctl's parent. Removing the file instead would also remove the guard against surviving backends.
  const env = stalePid === undefined ? command.env : { ...command.env, PG_GRANDPARENT_PID: String(stalePid) };
  const child = spawn(command.file, command.args, {
    ...identityOf({ ...command, env }),
    detached: true,
    stdio: ['ignore', logFd, logFd],
  });
  child.unref();
  const watchdog = runtime.diesWithParent ? undefined : startWatchdog(child.pid);
  const ended = new Promise<Omit<Ended, 'output'>>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error }));
    child.once('exit', (code, signal) => {
      watchdog?.kill('SIGKILL');
      resolve({ code, signal });
    });
  });
  return {
    pid: child.pid,
    ended,
    signal: (name) => send(child, name, runtime),
    ref: () => child.ref(),
  };
}

/** Which postmaster.pid lies in the cluster, to be told from its successor; undefined when there is none. */
export async function pidFileMark(cluster: string): Promise<bigint | undefined> {
  return stat(join(cluster, 'postmaster.pid'), { bigint: true }).then(
    ({ ctimeNs }) => ctimeNs,
    () => undefined,
  );
}

/**
 * True when it accepts connections (however long recovery takes), false when it ended before. `stale` is the mark of
 * the file a predecessor left, which may be "ready" under the very same id: a container gives the same ids again.
 */
export async function untilReady(postmaster: Postmaster, cluster: string, stale: bigint | undefined): Promise<boolean> {
  for (;;) {
    const mark = await pidFileMark(cluster);
    if (mark !== undefined && mark !== stale) {
      const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
      // Line 8 is the state.
      if (Number(lines[0]) === postmaster.pid && lines[7]?.trim() === 'ready') return true;
    }
    if (await endsWithin(postmaster, POLL_MS)) return false;
  }
}

/** Stops in order (fast shutdown), by force when that takes longer than a minute; resolves when it has ended. */
export async function stopPostmaster(postmaster: Postmaster): Promise<void> {
  postmaster.ref();
  postmaster.signal('INT');
  if (await endsWithin(postmaster, STOP_TIMEOUT_MS)) return;
  postmaster.signal('QUIT');
  if (await endsWithin(postmaster, QUIT_TIMEOUT_MS)) return;
  postmaster.signal('KILL');
  await postmaster.ended;
}

async function endsWithin(postmaster: Postmaster, ms: number): Promise<boolean> {
  const cancel = new AbortController();
  try {
    return await Promise.race([
      postmaster.ended.then(() => true),
      sleep(ms, false, { signal: cancel.signal }).catch(() => false),
    ]);
  } finally {
    cancel.abort();
  }
}

function send(child: ChildProcess, name: 'INT' | 'QUIT' | 'KILL', runtime: Runtime): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  if (process.platform === 'win32' && name !== 'KILL') {
    // Windows has no signals: pg_ctl speaks PostgreSQL's replacement for them.
    void run(runtime.command('pg_ctl', ['kill', name, String(child.pid)], 'TERM'));
    return;
  }
  child.kill(`SIG${name}`);
}

/** Waits for the end of a pipe that only we hold open, which is our end, and then stops PostgreSQL. */
function startWatchdog(pid: number | undefined): ChildProcess | undefined {
  if (pid === undefined || process.platform === 'win32') return undefined;
  const script = 'read -r _; kill -INT "$1"';
  const watchdog = spawn('/bin/sh', ['-c', script, 'sh', String(pid)], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => undefined);
  watchdog.unref();
  const { stdin } = watchdog;
  if (stdin !== null && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  return watchdog;
}
