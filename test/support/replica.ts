import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { ADMIN_TOKEN, UNLIMITED } from './api.js';
import { freePort, ROOT } from './service.js';
import { ServiceClient } from './service-client.js';
import { until } from './wait.js';

/** A process of the service on a database that it shares with others. */
export interface Replica {
  readonly url: string;
  readonly admin: ServiceClient;
  readonly process: ChildProcess;
  /** Everything it has printed so far: with its log level, errors. */
  output(): string;
  /** How the process ended; undefined while it lives. */
  ended(): string | undefined;
  /** Resolves when it can be sent requests; rejects with what it printed when it ends instead. */
  ready(): Promise<void>;
  /** SIGKILL, and the end of the process. */
  kill(): Promise<void>;
  /** SIGTERM, and the end of the process. */
  stop(): Promise<void>;
}

/** Builds what is out of date, once for all replicas of a file: call it in `beforeAll`. */
export async function buildReplica(): Promise<void> {
  await promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', '--build', 'apps/api'], {
    cwd: ROOT,
  });
}

/** Begins to start one and does not wait for it, so that it is ready when it is needed. */
export async function launchReplica(
  databaseUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Replica> {
  const port = await freePort();
  const child = spawn(process.execPath, ['apps/api/dist/main.js'], {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'] ?? '',
      PORT: String(port),
      DATABASE_URL: databaseUrl,
      FLEDGE_ADMIN_TOKEN: ADMIN_TOKEN,
      LOG_LEVEL: 'error',
      NODE_ENV: 'production',
      // It stops when the test that started it is gone, as a service does whose npm is gone.
      npm_lifecycle_event: 'test',
      ...UNLIMITED,
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += String(chunk)));
  const url = `http://127.0.0.1:${port}`;
  const ended = (): string | undefined =>
    child.exitCode === null ? (child.signalCode ?? undefined) : `exit code ${child.exitCode}`;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (ended() !== undefined) return;
    child.kill(signal);
    await once(child, 'exit');
  };
  return {
    url,
    admin: new ServiceClient(url),
    process: child,
    output: () => printed,
    ended,
    async ready() {
      const answers = (): Promise<boolean> => fetch(`${url}/health/ready`).then((answer) => answer.ok);
      await until(async () => ended() !== undefined || (await answers()), 'the replica is ready', 60_000, 50);
      if (ended() !== undefined) throw new Error(`The replica ended with ${ended()}:\n${printed}`);
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}
