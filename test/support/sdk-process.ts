import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { ROOT } from './service.js';

/** Scripts that use the SDK as an application would, each in a process of its own. */
export interface SdkProcesses {
  /** Starts the script with `createClient` in scope, and resolves with the JSON it prints when it ends by itself. */
  run(code: string): Promise<unknown>;
  /** Starts it and leaves it alone. */
  start(code: string): Promise<ChildProcess>;
  remove(): Promise<void>;
}

/** Bundles the SDK from its sources, so that nothing has to be built. */
export async function sdkProcesses(): Promise<SdkProcesses> {
  const folder = await mkdtemp(join(tmpdir(), 'fledge-sdk-process-'));
  await build({
    entryPoints: { sdk: join(ROOT, 'sdk/src/index.ts') },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@fledge/source'],
  });
  let scripts = 0;
  const begin = async (code: string) => {
    const path = join(folder, `script-${(scripts += 1)}.mjs`);
    await writeFile(path, `import { createClient } from './sdk.mjs';\n${code}`);
    return spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
  };
  return {
    start: begin,
    async run(code) {
      const child = await begin(code);
      let printed = '';
      child.stdout.on('data', (chunk) => (printed += String(chunk)));
      await once(child, 'close');
      return JSON.parse(printed) as unknown;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
