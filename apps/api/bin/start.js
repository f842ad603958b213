#!/usr/bin/env node
// `npm start`: builds what is out of date, then becomes the service.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

// A process of its own, so that the compiler's memory is gone when the service starts.
const build = spawnSync(process.execPath, [tsc, '--build', 'apps/api'], { cwd: root, stdio: 'inherit' });
if (build.status !== 0) process.exit(build.status ?? 1);
process.chdir(root);
await import('../dist/main.js');
