#!/usr/bin/env node
// How many users an edit of a split moves, beside the fewest that it could move. Reports, asserts nothing.
//   npm run build && node test/bench/moves/run.mjs [--engine fledge]… [--json]
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

// Read by the scenarios when they are loaded: more units than what is timed has.
process.env.BENCH_UNITS = String(2 ** 17);
const { CONTEXTS, splitSnapshot } = await import('../evaluation/scenarios.mjs');

const { values } = parseArgs({
  options: { engine: { type: 'string', multiple: true }, json: { type: 'boolean', default: false } },
});
const engines =
  values.engine ??
  readdirSync(fileURLToPath(new URL('../evaluation/engines', import.meta.url))).flatMap((file) =>
    file.endsWith('.mjs') && !file.startsWith('fledge-') ? [file.slice(0, -4)] : [],
  );

const edits = [
  { name: '33/33/34 → 20/40/40', before: [33, 33, 34], after: [20, 40, 40], bar: 1.05 },
  { name: 'a fourth arm: 33/33/34 → 25/25/25/25', before: [33, 33, 34], after: [25, 25, 25, 25], bar: 1.02 },
];

/** The fewest that can move is what the arms that shrink lose. */
const fewest = ({ before, after }) =>
  before.reduce((sum, weight, index) => sum + Math.max(0, weight - after[index]), 0) / 100;

async function movedShare(engine, { before, after }) {
  const [old, next] = [before, after].map((weights) => ({
    ask: 'string',
    flag: 'banner',
    snapshot: splitSnapshot(weights),
  }));
  const [one, other] = [await engine.prepare(old), await engine.prepare(next)];
  let moved = 0;
  for (let i = 0; i < CONTEXTS; i++) if ((await one(i)) !== (await other(i))) moved++;
  return moved / CONTEXTS;
}

const rows = [];
for (const file of engines) {
  const { engine } = await import(`../evaluation/engines/${file}.mjs`);
  for (const edit of edits) {
    const [share, least] = [await movedShare(engine, edit), fewest(edit)];
    rows.push({
      engine: engine.name,
      version: engine.version,
      edit: edit.name,
      bar: edit.bar,
      share,
      least,
      ratio: share / least,
    });
  }
}
if (values.json) process.stdout.write(JSON.stringify(rows));
else
  for (const { engine, edit, share, least, ratio, bar } of rows)
    process.stdout.write(
      `${engine.padEnd(16)}${edit.padEnd(40)}moves ${(share * 100).toFixed(1)} %, ${ratio.toFixed(2)} × the fewest (${(least * 100).toFixed(0)} %), bar ${bar} ×\n`,
    );
process.exit(0);
