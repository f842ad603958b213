import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, ROOT } from './service.js';
import { until } from './wait.js';

/** A proxy in front of replicas, configured as docs/operations.md tells operators to. */
export interface Nginx {
  readonly url: string;
  /** How many answers came from where: `HIT`, `REVALIDATED`, `MISS`, … of `$upstream_cache_status`. */
  cacheStatuses(): Promise<string[]>;
  stop(): Promise<void>;
}

/** The configuration in docs/operations.md, with the example's addresses and paths replaced. */
async function configuration(port: number, folder: string, replicas: readonly string[]): Promise<string> {
  const manual = await readFile(join(ROOT, 'docs/operations.md'), 'utf8');
  const [, example] = /```nginx\n([^`]+)```/.exec(manual) ?? [];
  if (example === undefined) throw new Error('docs/operations.md holds no nginx configuration.');
  const servers = replicas.map((url) => `server ${new URL(url).host};`).join(' ');
  const http = example
    .replace(/( *server [\w.:-]+;\n)+/, `  ${servers}\n`)
    .replaceAll('127.0.0.1:8081', `127.0.0.1:${await freePort()}`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace('/var/cache/nginx/fledge', join(folder, 'cache'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(folder, kind)};`)
    .join('\n');
  return [
    'daemon off;',
    process.getuid?.() === 0 ? 'user root;' : '',
    'worker_processes 1;',
    `pid ${join(folder, 'pid')};`,
    'events { worker_connections 4096; }',
    'http {',
    temporary,
    "log_format cache '$upstream_cache_status';",
    `access_log ${join(folder, 'access.log')} cache;`,
    http,
    '}',
  ].join('\n');
}

/** Starts one and waits until it answers. */
export async function startNginx(binary: string, replicas: readonly string[]): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'fledge-nginx-'));
  const port = await freePort();
  await mkdir(join(folder, 'cache'));
  await writeFile(join(folder, 'nginx.conf'), await configuration(port, folder, replicas));
  const child = spawn(binary, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let printed = '';
  child.stderr.on('data', (chunk) => (printed += String(chunk)));
  const url = `http://127.0.0.1:${port}`;
  await until(
    async () => child.exitCode !== null || (await fetch(`${url}/health/live`).then(({ ok }) => ok)),
    'nginx answers',
  );
  if (child.exitCode !== null) throw new Error(`nginx did not start:\n${printed}`);
  return {
    url,
    cacheStatuses: async () => (await readFile(join(folder, 'access.log'), 'utf8')).trim().split('\n'),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
