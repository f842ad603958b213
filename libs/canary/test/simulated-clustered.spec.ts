import { describe, expect, it } from 'vitest';
import { BARS, meets } from './simulation/bars.js';

/** A quarter of what `npm run simulate` runs, with the same seeds. */
const PART = 4;

describe('users who fail more or less often by nature', () => {
  it.each(BARS.clustered)('$name', { timeout: 120_000 }, ({ bar, runs, measure }) => {
    const { figure } = measure(Math.ceil(runs / PART));
    expect(meets(bar, figure), `measured ${figure}`).toBe(true);
  });
});
