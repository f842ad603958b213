import { fmix32 } from './murmur3.js';

const ONE = 2 ** 26;

let table: Int32Array | undefined;

/** round(2^26 × log2(1 + k/1024)) for k = 0…1024; no entry is near enough to a tie for a language's log2 to matter. */
export function logTable(): Int32Array {
  table ??= Int32Array.from({ length: 1025 }, (_, k) => Math.round(ONE * Math.log2(1 + k / 1024)));
  return table;
}

/** −log2 of the uniform number (hash + 1) / 2^32 with 26 fraction bits: an exponential variate in integers. */
export function exponential(hash: number): number {
  const uniform = (hash >>> 0) + 1;
  if (uniform > 0xffffffff) return 0;
  const log = logTable();
  const zeros = Math.clz32(uniform);
  const fraction = ((uniform << zeros) << 1) >>> 0;
  const index = fraction >>> 22;
  const low = log[index] ?? 0;
  const step = (log[index + 1] ?? 0) - low;
  return zeros * ONE + ONE - low - Math.floor((step * (fraction & 0x3fffff)) / 0x400000);
}

/** A variant's part in a split: its weight and the hash of its key. */
export type Share = { readonly weight: number; readonly hash: number };

/** How late a variant arrives for a unit; the smallest `score / weight` wins. */
export function score(unitBucket: number, variantHash: number): number {
  return exponential(fmix32(unitBucket ^ variantHash));
}

/**
 * The index of the share that wins a unit, by weighted rendezvous hashing (Thaler, Ravishankar 1998; weights as
 * exponential races). A tie goes to the earlier share, so callers sort by key and leave out weights of 0.
 */
export function winner(unitBucket: number, shares: readonly Share[]): number {
  let best = -1;
  let bestScore = 0;
  let bestWeight = 0;
  for (let index = 0; index < shares.length; index++) {
    const share = shares[index];
    if (share === undefined) break;
    const own = score(unitBucket, share.hash);
    // Compared crosswise: the products stay below 2^53, a quotient would round.
    if (best < 0 || own * bestWeight < bestScore * share.weight) {
      best = index;
      bestScore = own;
      bestWeight = share.weight;
    }
  }
  return best;
}
