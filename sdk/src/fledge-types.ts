#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { VERSION } from './version.js';

const USAGE = `Writes the flags of an environment as TypeScript types, so that the compiler checks keys and values.

  fledge-types --url http://localhost:4000 --out src/fledge-flags.d.ts

  --url    the Fledge service; default: FLEDGE_URL
  --key    an SDK key of the environment; default: FLEDGE_SDK_KEY, which other users of the machine cannot see
  --out    the file to write; default: standard output
  --check  write nothing; fail when the file is not what would be written`;

const TIMEOUT_MS = 30_000;

/** Something the user can mend: its message is all there is to say. */
class Trouble extends Error {}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
};

type Order = { readonly url: string; readonly key: string; readonly out: string | undefined; readonly check: boolean };

/** What was asked for, or undefined when it is help. */
const readOrder = (): Order | undefined => {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = { url: text, key: text, out: text, check: flag, help: { ...flag, short: 'h' } } as const;
  const { values } = parseArgs({ options });
  if (values.help) return undefined;
  const { FLEDGE_URL, FLEDGE_SDK_KEY } = process.env;
  const { url = FLEDGE_URL ?? '', key = FLEDGE_SDK_KEY ?? '', out, check } = values;
  const problems = [
    ...(/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : '')
      ? []
      : ['--url or FLEDGE_URL: expected the address of a Fledge service, such as http://localhost:4000']),
    ...(/^[\x21-\x7e]+$/.test(key.trim()) ? [] : ['--key or FLEDGE_SDK_KEY: expected an SDK key']),
    ...(check && out === undefined ? ['--check: expected --out beside it'] : []),
  ];
  if (problems.length > 0) throw new Trouble(problems.join('\n'));
  return { url: url.replace(/\/+$/, ''), key: key.trim(), out, check };
};

const fetchTypes = async ({ url, key }: Order): Promise<string> => {
  const address = `${url}/sdk/v1/types.d.ts`;
  const headers = { Authorization: `Bearer ${key}`, 'User-Agent': `fledge-types/${VERSION}` };
  try {
    const answer = await fetch(address, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.status === 401 || answer.status === 403)
      throw new Trouble(`${address} refuses the key (${answer.status}): expected an SDK key of one environment`);
    const type = answer.headers.get('content-type') ?? 'no type';
    if (!answer.ok || !type.startsWith('text/typescript'))
      throw new Trouble(`${address} was answered with ${answer.status} and ${type}: is it a Fledge service?`);
    return await answer.text();
  } catch (error) {
    if (error instanceof Trouble) throw error;
    throw new Trouble(`${address} cannot be reached: ${reasonOf(error)}`, { cause: error });
  }
};

/** Replaces the file in one step, and leaves it alone when it says the same already. */
const save = async (path: string, text: string): Promise<boolean> => {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return false;
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(draft, text);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw new Trouble(`${path} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
  return true;
};

const run = async (): Promise<string> => {
  const order = readOrder();
  if (order === undefined) return USAGE;
  const text = await fetchTypes(order);
  const { out, check } = order;
  if (out === undefined) return text.trimEnd();
  if (!check) return (await save(out, text)) ? `${out} written` : `${out} is up to date`;
  if ((await readFile(out, 'utf8').catch(() => undefined)) === text) return `${out} is up to date`;
  throw new Trouble(`${out} is not up to date: run fledge-types without --check`);
};

try {
  process.stdout.write(`${await run()}\n`);
} catch (error) {
  // What is no trouble of ours is an option that does not exist.
  process.stderr.write(
    `fledge-types: ${error instanceof Trouble ? error.message : `${reasonOf(error)}\n\n${USAGE}`}\n`,
  );
  process.exitCode = 1;
}
