import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgresError } from './errors.js';
import { STOP_TIMEOUT_MS } from './postmaster.js';
import { type Occupant, occupantOf } from './process-info.js';

const QUIT_TIMEOUT_MS = 10_000;
const POLL_MS = 10;

/**
 * Makes way for a new server on the cluster, for the holder of the lock only: a server of ours that has lost its
 * parent is stopped in order. Throws `in-use` for one that has a parent or that somebody else started. Returns the process id that
 * the cluster's postmaster.pid names wrongly (a zombie, or an id given to another process), if there is one.
 */
export async function makeWay(cluster: string, log: (message: string) => void): Promise<number | undefined> {
  const pid = await recordedPid(cluster);
  if (pid === undefined) return undefined;
  let occupant = await occupantOf(pid, cluster);
  if (occupant === 'orphan') {
    log(`stopping PostgreSQL (process ${pid}), whose parent is gone`);
    occupant = await stopOrphan(pid, cluster);
  }
  if (occupant === 'gone') return undefined;
  if (occupant === 'zombie' || occupant === 'other') return pid;
  throw new EmbeddedPostgresError(
    'in-use',
    `A PostgreSQL (process ${pid}) ${TROUBLE[occupant]} runs on ${cluster}. ` +
      `Stop it (kill -INT ${pid}) or set another FLEDGE_DATA_DIR.`,
  );
}

const TROUBLE = {
  orphan: 'that does not stop',
  child: 'that another process started and watches over',
  foreign: 'that was started by hand',
} as const;

async function stopOrphan(pid: number, cluster: string): Promise<Occupant> {
  for (const [signal, patience] of [
    ['SIGINT', STOP_TIMEOUT_MS],
    ['SIGQUIT', QUIT_TIMEOUT_MS],
  ] as const) {
    try {
      process.kill(pid, signal);
      // One that was suspended hears nothing before it goes on.
      process.kill(pid, 'SIGCONT');
    } catch {
      // It ended by itself, or is not ours to stop; the look below tells which.
    }
    const deadline = Date.now() + patience;
    while (Date.now() < deadline) {
      const occupant = await occupantOf(pid, cluster);
      if (occupant !== 'orphan') return occupant;
      await sleep(POLL_MS);
    }
  }
  return occupantOf(pid, cluster);
}

async function recordedPid(cluster: string): Promise<number | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  return pid > 0 ? pid : undefined;
}
