import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { EmbeddedPostgresError } from './errors.js';
import { giveOpenToOwnerOfFolder } from './ownership.js';
import { birthOf, isAlive } from './process-info.js';
import { run } from './run.js';

/** Held by the one process that may run a cluster on a data directory; ends with that process, however it ends. */
export interface Lock {
  release(): void;
}

const HELD_BY_ANOTHER = 200;

/** What this process holds: asked first, since flock(1) and process ids cannot tell us from ourselves. */
const held = new Set<string>();

/**
 * Takes the lock or throws `in-use`, after `waitMs` in which a predecessor may finish stopping.
 *
 * On Linux it is the kernel's: flock(1) locks our own open file, so that it needs no clearing after kill -9, cannot be
 * fooled by a reused process id and holds between containers that share a volume. Elsewhere the file's process id
 * decides, and PostgreSQL's own postmaster.pid is the last guard.
 */
export async function takeLock(
  file: string,
  dataDir: string,
  waitMs: number,
  log: (message: string) => void,
): Promise<Lock> {
  if (held.has(file)) throw inUse({ kind: 'us' }, dataDir, file);
  held.add(file);
  const fd = openSync(file, 'a+', 0o600);
  giveOpenToOwnerOfFolder(fd, file);
  try {
    if (!(await take(fd, file, 0))) {
      log(`waiting for another process that still uses ${dataDir}`);
      if (!(await take(fd, file, waitMs))) throw inUse(await visibleHolder(file), dataDir, file);
    }
    const birth = await birthOf(process.pid);
    ftruncateSync(fd, 0);
    writeSync(fd, JSON.stringify({ pid: process.pid, birth }));
  } catch (error) {
    closeSync(fd);
    held.delete(file);
    throw error;
  }
  return {
    release() {
      if (!held.delete(file)) return;
      // Emptied, not removed: whoever already waits for this file must find the next holder's lock on it.
      ftruncateSync(fd, 0);
      closeSync(fd);
    },
  };
}

async function take(fd: number, file: string, waitMs: number): Promise<boolean> {
  if (process.platform === 'linux') {
    const patience = waitMs === 0 ? ['--nonblock'] : ['--timeout', String(waitMs / 1000)];
    const args = ['--exclusive', ...patience, '--conflict-exit-code', String(HELD_BY_ANOTHER), '3'];
    const ended = await run({ file: 'flock', args, env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' } }, fd);
    if (ended.code === 0) return true;
    if (ended.code === HELD_BY_ANOTHER) return false;
  }
  const deadline = Date.now() + waitMs;
  while (await isHeld(file)) {
    if (Date.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return true;
}

async function isHeld(file: string): Promise<boolean> {
  const holder = holderOf(file);
  if (holder === undefined || holder.pid === process.pid || !isAlive(holder.pid)) return false;
  return holder.birth === undefined || holder.birth === (await birthOf(holder.pid));
}

function holderOf(file: string): { pid: number; birth?: string } | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || typeof value.pid !== 'number')
      return undefined;
    return { pid: value.pid, ...('birth' in value && typeof value.birth === 'string' ? { birth: value.birth } : {}) };
  } catch {
    return undefined;
  }
}

type Holder = { readonly kind: 'us' | 'elsewhere' } | { readonly kind: 'process'; readonly pid: number };

/** Another container's process ids mean nothing here, or something else. */
async function visibleHolder(file: string): Promise<Holder> {
  const holder = holderOf(file);
  if (holder === undefined || holder.birth !== (await birthOf(holder.pid))) return { kind: 'elsewhere' };
  return { kind: 'process', pid: holder.pid };
}

function inUse(holder: Holder, dataDir: string, file: string): EmbeddedPostgresError {
  const { who, stop } = WORDS[holder.kind](holder.kind === 'process' ? holder.pid : process.pid);
  return new EmbeddedPostgresError(
    'in-use',
    `${who} already runs the embedded PostgreSQL in ${dataDir} (lock: ${file}). ${stop}, or give this one its own ` +
      `FLEDGE_DATA_DIR. To share one database, set DATABASE_URL of both to a PostgreSQL of your own.`,
  );
}

const WORDS = {
  us: (pid: number) => ({ who: `This process (${pid})`, stop: 'Stop that one first' }),
  process: (pid: number) => ({ who: `Process ${pid}`, stop: `Stop it first (kill ${pid})` }),
  elsewhere: () => ({ who: 'A process of another container', stop: 'Stop that one first' }),
} as const;
