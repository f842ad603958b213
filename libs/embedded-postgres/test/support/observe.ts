import { readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

/** Runs one statement on a connection of its own and returns its rows. */
export async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

/** The id of the server that runs on a data directory, as PostgreSQL itself wrote it down. */
export async function postmasterOf(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);
}

/** The ids of all living processes whose working directory lies in the data directory: PostgreSQL's, and only they. */
export async function processesOn(dataDir: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const place = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (place.startsWith(`${dataDir}/`)) found.push(pid);
  }
  return found;
}

/** Asks until the answer is one to keep, at most `ms`; errors count as "not yet". */
export async function eventually<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean, ms = 10_000): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    try {
      const answer = await ask();
      if (isGood(answer) || Date.now() > deadline) return answer;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(20);
  }
}
