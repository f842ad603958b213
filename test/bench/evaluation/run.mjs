#!/usr/bin/env node
// How fast flags are evaluated, as ratios to one hash and one comparison in the same process. Reports, asserts nothing.
//   npm run build && node test/bench/evaluation/run.mjs [--engine fledge]… [--scenario split] [--rounds 40] [--processes 3]
// An engine is a file in engines/ that exports { name, version, prepare(scenario) → call(i) } and, where it can be said,
// encode(snapshot) → text and load(parsed text) → what it keeps.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { scenarios } from './scenarios.mjs';
import { summary } from './statistics.mjs';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values } = parseArgs({
  options: {
    engine: { type: 'string', multiple: true },
    scenario: { type: 'string', default: '' },
    rounds: { type: 'string', default: '40' },
    processes: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});

const engines =
  values.engine ?? readdirSync(here('engines')).flatMap((file) => (file.endsWith('.mjs') ? [file.slice(0, -4)] : []));
const questions = [
  ...scenarios.map(({ name, bar }) => ({ question: name, title: name, bar, unit: '×' })),
  { question: 'load', title: 'load 10,000 flags, against JSON.parse', bar: 1.1, unit: '×' },
  { question: 'heap', title: 'heap per flag beyond JSON.parse', bar: 60, unit: ' B' },
].filter(({ title }) => title.includes(values.scenario));

/** One question to one engine, in processes of its own. */
async function measure(engine, question) {
  const results = [];
  for (let i = 0; i < Number(values.processes); i++) {
    const { stdout } = await run(process.execPath, [
      '--expose-gc',
      here('measure.mjs'),
      engine,
      question,
      values.rounds,
    ]);
    results.push(JSON.parse(stdout));
  }
  const nanoseconds = results.flatMap((result) => result.nanoseconds ?? []);
  return { ...results[0], ...summary(results.flatMap(({ ratios }) => ratios)), ratios: undefined, nanoseconds };
}

const rows = [];
for (const { question, title, bar, unit } of questions) {
  for (const engine of engines) {
    const { name, version, median, low, high, nanoseconds } = await measure(engine, question);
    rows.push({ scenario: title, engine: name, version, bar, median, low, high, holds: median <= bar, nanoseconds });
    const shown = [median, low, high].map((value) => value.toFixed(unit === '×' ? 2 : 1));
    if (!values.json)
      process.stdout.write(
        `${title.padEnd(44)}${name.padEnd(26)}${shown[0].padStart(8)}${unit}  (${shown[1]}…${shown[2]})  bar ${bar}${unit}  ${median <= bar ? 'holds' : 'MISSED'}\n`,
      );
  }
}
const reference = summary(rows.flatMap((row) => row.nanoseconds));
const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}`;
if (values.json) process.stdout.write(`${JSON.stringify({ machine, reference, rows }, undefined, 2)}\n`);
else process.stdout.write(`\n${machine}; the reference takes ${reference.median.toFixed(1)} ns\n`);
