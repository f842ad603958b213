#!/usr/bin/env node
// `npm run fuzz -- --requests 50000 --seed 7`: the long form of the spec that every test run has in short.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '50000' },
    seed: { type: 'string', default: String(randomInt(2 ** 30)) },
  },
});
const cwd = fileURLToPath(new URL('../..', import.meta.url));
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
process.stdout.write(
  `To draw the same requests again: npm run fuzz -- --requests ${values.requests} --seed ${values.seed}\n`,
);
const { status } = spawnSync(process.execPath, [vitest, 'run', 'test/e2e/any-request-meets-the-document.spec.ts'], {
  cwd,
  stdio: 'inherit',
  env: { ...process.env, FLEDGE_FUZZ_REQUESTS: values.requests, FLEDGE_PROPERTY_SEED: values.seed },
});
process.exit(status ?? 1);
