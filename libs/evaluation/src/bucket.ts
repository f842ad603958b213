import { attribute, read } from './attribute.js';
import type { Context } from './context.js';
import { fmix32, murmur3 } from './murmur3.js';

/** Where a unit stands under a salt: one of 2^32 places, the same for ever (bucketing, version 1). Unsigned. */
export function bucket(unit: string, salt: string): number {
  return fmix32(murmur3(unit) ^ murmur3(salt)) >>> 0;
}

/** The text that is bucketed for a value: a non-empty string, a boolean or a safe integer; anything else is no unit. */
export function unitText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'boolean' || Number.isSafeInteger(value) ? String(value) : undefined;
}

/** A percentage of 0 to 100 in thousandths of a percent. */
export function parts(percentage: number): number {
  return Math.round(percentage * 1000);
}

/** The first bucket that a percentage keeps out, 0 to 2^32: raising the percentage only ever adds units. */
export function threshold(percentage: number): number {
  return Math.floor((parts(percentage) * 2 ** 32) / 100_000);
}

/** The smallest percentage, in thousandths of a percent, that lets a bucket in: 1 to 100,000. */
export function partsToAdmit(unitBucket: number): number {
  const estimate = Math.floor((unitBucket * 100_000) / 2 ** 32);
  return threshold(estimate / 1000) > unitBucket ? estimate : estimate + 1;
}

/** One of 64 random groups of units, independent of gates and splits, by which reports estimate dispersion. */
export function group(unitBucket: number): number {
  return fmix32(unitBucket ^ 0x9e3779b9) >>> 26;
}

/** The unit that a gate or split would bucket: the value of `bucketBy` in the context as text; undefined when missing. */
export function unitOf(context: Context, bucketBy = 'targetingKey', now = 0): string | undefined {
  return unitText(read(attribute(bucketBy), context, { now }));
}
