import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What `npm start` starts: the service in a process of its own, with its own embedded PostgreSQL in a directory of its own. */
export interface Service {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly process: ChildProcess;
  /** Everything it has printed so far. */
  output(): string;
  /** SIGTERM, and the end of the process. */
  stop(): Promise<void>;
}

/** Starts it and waits until it is ready. @throws with what it printed when it ends instead */
export async function startService(dataDir: string, settings: Readonly<Record<string, string>> = {}): Promise<Service> {
  const port = await freePort();
  const child = spawn(process.execPath, ['apps/api/bin/start.js'], {
    cwd: ROOT,
    env: { ...cleanEnvironment(), PORT: String(port), FLEDGE_DATA_DIR: dataDir, LOG_LEVEL: 'warn', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += String(chunk)));
  const url = `http://127.0.0.1:${port}`;
  for (let waited = 0; !(await isReady(url)); waited += 50) {
    if (child.exitCode !== null || waited > 60_000) throw new Error(`The service did not start:\n${printed}`);
    await sleep(50);
  }
  return {
    url,
    port,
    dataDir,
    process: child,
    output: () => printed,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

export const temporaryDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'fledge-e2e-'));

export const removeDirectory = (path: string): Promise<void> => rm(path, { recursive: true, force: true });

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/health/ready`).then(
    (answer) => answer.ok,
    () => false,
  );
}

/**
 * A port of this machine that nobody listens on. Below those that systems give to outgoing connections, and beside those of the
 * embedded PostgreSQL: nobody else takes it before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(randomInt(10_000, 20_000), '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** The environment of a person's shell: nothing of the test runner's, no database of somebody else's. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { NODE_ENV: _, VITEST: __, DATABASE_URL: ___, npm_lifecycle_event: ____, ...rest } = process.env;
  return rest;
}
