import { readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { OWNER_SETTING } from './settings.js';
import { run } from './run.js';

/**
 * What runs under a process id: nothing (`gone`), a process that ended but whose parent did not notice (`zombie`), a
 * PostgreSQL on the asked data directory that this package started and whose parent is gone (`orphan`) or still there
 * (`child`) or that somebody else started (`foreign`), or anything else (`other`: the id was given away again).
 */
export type Occupant = 'gone' | 'zombie' | 'orphan' | 'child' | 'foreign' | 'other';

/** Looks without touching; where the system tells too little (Windows) a living process counts as `foreign`. */
export async function occupantOf(pid: number, cluster: string): Promise<Occupant> {
  if (!isAlive(pid)) return 'gone';
  if (process.platform === 'linux') return linuxOccupant(pid, cluster);
  return process.platform === 'darwin' ? darwinOccupant(pid, cluster) : 'foreign';
}

/** True for zombies too. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** A mark that differs between two processes that had the same id, or undefined where the system tells none. */
export async function birthOf(pid: number): Promise<string | undefined> {
  const fields = await statFields(pid);
  return fields?.[19];
}

async function linuxOccupant(pid: number, cluster: string): Promise<Occupant> {
  const fields = await statFields(pid);
  if (fields === undefined) return 'gone';
  const [state, parent] = fields;
  if (state === 'Z' || state === 'X') return 'zombie';
  const [directory, commandLine] = await Promise.all([
    readlink(`/proc/${pid}/cwd`).catch(() => ''),
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
  ]);
  if (directory !== cluster || basename(commandLine.split('\0')[0] ?? '') !== 'postgres') return 'other';
  return relationOf(commandLine, Number(parent));
}

async function darwinOccupant(pid: number, cluster: string): Promise<Occupant> {
  const args = ['-ww', '-o', 'stat=,ppid=,command=', '-p', String(pid)];
  const { output } = await run({ file: '/bin/ps', args, env: { LC_ALL: 'C' } });
  const [state, parent, ...words] = output.trim().split(/\s+/);
  if (state === undefined || state === '') return 'gone';
  if (state.startsWith('Z')) return 'zombie';
  const command = words.join(' ');
  if (!command.includes('postgres') || !command.includes(cluster)) return 'other';
  return relationOf(command, Number(parent));
}

/** An orphan is given to another parent by the kernel, so that its parent is no longer who it says it belongs to. */
function relationOf(command: string, parent: number): Occupant {
  const owner = command.split(`${OWNER_SETTING}=`)[1];
  if (owner === undefined) return 'foreign';
  return Number.parseInt(owner, 10) === parent ? 'child' : 'orphan';
}

/** The fields of /proc/<pid>/stat from the third (state) on: the second may hold spaces and parentheses. */
async function statFields(pid: number): Promise<string[] | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}
