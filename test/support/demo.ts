import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { ADMIN_TOKEN } from './api.js';
import { ROOT } from './service.js';

/** Runs `npm run demo:canary` beside a service, with the SDK from its sources; resolves with what it printed and its exit code. */
export async function runDemo(
  url: string,
  fault: string,
): Promise<{ readonly code: number; readonly printed: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'fledge-demo-'));
  try {
    await build({
      entryPoints: { demo: join(ROOT, 'sdk/examples/canary/main.mjs') },
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      conditions: ['@fledge/source'],
    });
    const child = spawn(process.execPath, [join(folder, 'demo.mjs'), '--fault', fault], {
      env: { PATH: process.env['PATH'], FLEDGE_URL: url, FLEDGE_ADMIN_TOKEN: ADMIN_TOKEN, FLEDGE_DATA_DIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += String(chunk)));
    const [code] = (await once(child, 'close')) as [number];
    return { code, printed };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
