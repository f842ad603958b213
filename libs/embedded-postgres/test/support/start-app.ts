import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import type { AppAnswer, AppOptions } from './app.js';

const here = import.meta.dirname;
const nodeModules = resolve(here, '../../../../node_modules');

/** A directory of one's own that every user may enter; the caller removes it with `removeAll`. */
export async function makeScratch(mode = 0o755): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'embedded-postgres-')));
  await chmod(path, mode);
  scratches.add(path);
  return path;
}

const scratches = new Set<string>();
const apps = new Set<ChildProcess>();

/** Ends every program a test left running and removes every scratch directory. */
export async function removeAll(): Promise<void> {
  for (const app of apps) app.kill('SIGKILL');
  for (const path of scratches) await rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

/** Makes one file of `app.ts` and all it imports, for any user to run from anywhere; returns its path. */
export async function bundleApp(directory: string): Promise<string> {
  const outfile = join(directory, 'app.mjs');
  await build({
    entryPoints: [join(here, 'app.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['pg-native', 'pg-cloudflare'],
    banner: { js: "import { createRequire as bundled } from 'node:module'; const require = bundled(import.meta.url);" },
    logLevel: 'error',
  });
  await chmod(outfile, 0o644);
  return outfile;
}

/** A program that runs an embedded PostgreSQL. */
export interface App {
  readonly process: ChildProcess;
  /** Its one line: the URL, or why there is none. */
  readonly answer: AppAnswer;
  /** Ends it with a signal and waits until it has ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Who a program runs as and what it sees. */
export interface Surroundings {
  readonly uid?: number;
  /** A PATH without the tools of util-linux. */
  readonly path?: string;
  /** Where npm packages are found; default this repository's. */
  readonly nodePath?: string;
}

/** Starts the program without waiting for its answer. */
export function launchApp(bundle: string, options: AppOptions, around: Surroundings = {}): ChildProcess {
  const { uid, path = process.env['PATH'], nodePath = nodeModules } = around;
  const child = spawn(process.execPath, [bundle, JSON.stringify(options)], {
    cwd: '/',
    env: { PATH: [path].join(delimiter), NODE_PATH: nodePath },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  apps.add(child);
  child.once('exit', () => apps.delete(child));
  return child;
}

/** Starts the program and waits for its answer. */
export async function startApp(bundle: string, options: AppOptions, around: Surroundings = {}): Promise<App> {
  const child = launchApp(bundle, options, around);
  const ended = once(child, 'exit');
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  if (child.stdout === null) throw new Error('no output to read');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = await lines.next();
  if (line.done === true) throw new Error(`the program ended without an answer: ${said}`);
  const answer: AppAnswer = JSON.parse(line.value);
  return {
    process: child,
    answer,
    async end(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

/** The URL of a program that must have started. */
export function urlOf(app: App): string {
  if ('url' in app.answer) return app.answer.url;
  throw new Error(app.answer.message);
}
