#!/usr/bin/env node
// Measures everything beside its peers and writes docs/benchmarks.md. Takes about half an hour on two quiet cores; nothing else should run.
//   npm run bench [-- --quick] [--only evaluation,bundles,moves,server,peers]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { document } from './document.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: 'evaluation,bundles,moves,server,peers' },
    out: { type: 'string', default: fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url)) },
  },
});

const parts = values.only.split(',');
const directory = mkdtempSync(join(tmpdir(), 'fledge-bench-'));
const rowsFile = join(directory, 'rows.ndjson');

/** What a measurement prints, or undefined when it was not asked for or failed, which is then said. */
function measure(part, script, ...args) {
  if (!parts.includes(part)) return undefined;
  process.stderr.write(`${script} ${args.join(' ')}\n`);
  const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, BENCH_ROWS: rowsFile },
  });
  if (status === 0) return stdout;
  process.stderr.write(`${script} failed and is left out\n`);
  return undefined;
}

const parsed = (text) => (text === undefined ? undefined : JSON.parse(text));
const effort = values.quick ? ['--processes', '1', '--rounds', '5'] : ['--processes', '3', '--rounds', '30'];
const seconds = ['--seconds', values.quick ? '2' : '5'];

try {
  const evaluation = parsed(measure('evaluation', 'evaluation/run.mjs', '--json', ...effort));
  const bundles = parsed(measure('bundles', 'bundles/run.mjs', '--json'));
  const moves = parsed(measure('moves', 'moves/run.mjs', '--json'));
  measure('server', 'server/run.mjs', ...seconds, ...(values.quick ? ['--streams', '1000', '--toggles', '50'] : []));
  measure('server', 'ofrep/bulk.mjs', '--rounds', values.quick ? '1' : '5', ...seconds);
  measure('server', 'server/outcomes.mjs', '--rounds', '1', ...seconds);
  if (existsSync(new URL('node_modules/unleash-server', import.meta.url)))
    measure('peers', 'server/unleash.mjs', ...seconds);
  const rows = existsSync(rowsFile)
    ? readFileSync(rowsFile, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];
  const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  writeFileSync(
    values.out,
    document({ machine, date: new Date().toISOString().slice(0, 10), evaluation, bundles, moves, rows }),
  );
  spawnSync('npx', ['prettier', '--write', values.out], { cwd: fileURLToPath(new URL('../..', import.meta.url)) });
  process.stdout.write(`wrote ${values.out}\n`);
} finally {
  rmSync(directory, { recursive: true });
}
