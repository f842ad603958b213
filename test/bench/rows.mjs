import { appendFileSync } from 'node:fs';

/**
 * Notes a measured value for the table of `npm run bench`, which names a file in BENCH_ROWS; elsewhere it does nothing.
 * `bar` is what has to be reached, at most or, with `atLeast`, at least; without it the row is shown for comparison.
 */
export function note({ group, what, value, unit = '', bar, atLeast = false, of = 'Fledge', more = '' }) {
  const file = process.env.BENCH_ROWS;
  if (file !== undefined)
    appendFileSync(file, `${JSON.stringify({ group, what, value, unit, bar, atLeast, of, more })}\n`);
}
