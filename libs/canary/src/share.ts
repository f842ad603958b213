import { threshold } from '@fledge/evaluation';

/** The exact share of units that a percentage lets in: the gate's threshold of 2^32 buckets, 0 to 1. */
export function plannedShare(percentage: number): number {
  return threshold(percentage) / 2 ** 32;
}
