import { logAddExp, logSumExp } from './numbers.js';

/**
 * An e-process as it is kept: ln of the mixture's parts, and ln E now and at its highest; null before the first block.
 * Under H0 its expectation is at most 1 at every stopping time, so that by Ville's inequality it ever reaches 1/α with
 * a chance of at most α.
 */
export type Process = {
  readonly blocks: number;
  readonly lnR: readonly number[];
  readonly lnE: number | null;
  readonly maxLnE: number | null;
};

/** Effects that the canary is suspected of: so many times what is allowed. */
export const EFFECTS = [1.25, 1.5, 2, 3, 6, 15, 50] as const;

export const NO_PROCESS: Process = { blocks: 0, lnR: [], lnE: null, maxLnE: null };

/** The greater of two ln E of which null is the least. */
export function highest(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.max(one, other);
}

/** ln of the weight with which a process starts at block t: half at the first, half spread over the next H. */
function lnStartWeight(block: number, horizon: number): number {
  if (block === 0) return Math.log(0.5);
  return block <= horizon ? Math.log(0.5 / horizon) : -Infinity;
}

/**
 * The process after one more block with these ln S, one for each effect: it mixes over the effect's size and over when the
 * effect began (e-detectors: Shin, Ramdas, Rinaldo 2024), with start weights that sum to 1, so that it stays an e-process.
 */
export function addBlock({ blocks, lnR, maxLnE }: Process, lnS: readonly number[], horizon: number): Process {
  const weight = lnStartWeight(blocks, horizon);
  const parts = lnS.map((ln, index) => logAddExp(lnR[index] ?? -Infinity, weight) + ln);
  const lnE = logSumExp(parts) - Math.log(parts.length);
  return { blocks: blocks + 1, lnR: parts, lnE, maxLnE: highest(maxLnE, lnE) };
}
