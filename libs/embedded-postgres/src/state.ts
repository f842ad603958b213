import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { giveToOwnerOfFolder } from './ownership.js';

/** What must outlive a process to reach the same cluster again. */
export interface State {
  readonly password: string;
  readonly port?: number;
}

/** The saved state, or undefined when there is none or it cannot be understood. */
export async function readState(file: string): Promise<State | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('password' in value) || typeof value.password !== 'string') return undefined;
  const port = 'port' in value && Number.isInteger(value.port) ? Number(value.port) : undefined;
  return { password: value.password, ...(port === undefined ? {} : { port }) };
}

/** Replaces the state in one step, mode 0600: after a crash the file holds the old or the new, never a part. */
export async function writeState(file: string, state: State): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(state)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await giveToOwnerOfFolder(draft);
  await rename(draft, file);
}

/** 192 random bits in characters that need no escaping in a URL. */
export function newPassword(): string {
  return randomBytes(24).toString('base64url');
}
