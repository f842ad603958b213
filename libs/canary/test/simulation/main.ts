import { BARS, meets } from './bars.js';

/** The whole simulation as a Markdown table; fails when a bar is not met. */
const figure = (value: number): string => String(Number(value.toPrecision(10)));
process.stdout.write('| what | runs | bar | measured | |\n|---|---|---|---|---|\n');
for (const { name, bar, runs, measure } of Object.values(BARS).flat()) {
  const measured = measure(runs);
  const wanted = 'atMost' in bar ? `≤ ${bar.atMost}` : `≥ ${bar.atLeast}`;
  const met = meets(bar, measured.figure);
  if (!met) process.exitCode = 1;
  const row = [
    name,
    String(runs),
    wanted,
    `${figure(measured.figure)}${measured.more === undefined ? '' : ` (${measured.more})`}`,
    met ? 'met' : '**missed**',
  ];
  process.stdout.write(`| ${row.join(' | ')} |\n`);
}
