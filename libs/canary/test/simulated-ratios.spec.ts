import { describe, expect, it } from 'vitest';
import { BARS, meets } from './simulation/bars.js';

/** A quarter of what `npm run simulate` runs, with the same seeds. */
const PART = 4;

describe('the shares of the units', () => {
  it.each(BARS.ratios)('$name', { timeout: 120_000 }, ({ bar, runs, measure }) => {
    const { figure } = measure(Math.ceil(runs / PART));
    expect(meets(bar, figure), `measured ${figure}`).toBe(true);
  });
});
