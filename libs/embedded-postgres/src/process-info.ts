import { readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { OWNER_SETTING } from './settings.js';
import { run } from './run.js';

/**
 * What runs under a process id: nothing (`gone`), a process that ended but whose parent did not notice (`zombie`), a
 * PostgreSQL on the asked data directory that this package started (`ours`) or somebody else did (`foreign`), or
 * anything else (`other`: the id was given to another process).
 */
export type Occupant = 'gone' | 'zombie' | 'ours' | 'foreign' | 'other';

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
  if (fields[0] === 'Z' || fields[0] === 'X') return 'zombie';
  const [directory, commandLine] = await Promise.all([
    readlink(`/proc/${pid}/cwd`).catch(() => ''),
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
  ]);
  const args = commandLine.split('\0');
  if (directory !== cluster || basename(args[0] ?? '') !== 'postgres') return 'other';
  return args.some((arg) => arg.startsWith(`${OWNER_SETTING}=`)) ? 'ours' : 'foreign';
}

async function darwinOccupant(pid: number, cluster: string): Promise<Occupant> {
  const args = ['-ww', '-o', 'stat=,command=', '-p', String(pid)];
  const { output } = await run({ file: '/bin/ps', args, env: { LC_ALL: 'C' } });
  if (output.trim() === '') return 'gone';
  if (output.trimStart().startsWith('Z')) return 'zombie';
  if (!output.includes('postgres') || !output.includes(cluster)) return 'other';
  return output.includes(`${OWNER_SETTING}=`) ? 'ours' : 'foreign';
}

/** The fields of /proc/<pid>/stat from the third (state) on: the second may hold spaces and parentheses. */
async function statFields(pid: number): Promise<string[] | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}
