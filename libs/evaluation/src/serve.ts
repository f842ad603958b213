import type { Choice } from './choice.js';
import { compileDraw } from './gate.js';
import { isRecord, own } from './json.js';
import { murmur3 } from './murmur3.js';
import type { Run } from './run.js';
import { winner } from './split.js';
import type { Share } from './split.js';

/** Makes a choice for the context of a run; undefined when it decides nothing. */
export type Pick = (run: Run) => Choice | undefined;

/** The choice of a variant, by a split or not. */
export type Choose = (variant: string, bySplit: boolean) => Choice;

type ChosenShare = Share & { readonly choice: Choice };

function compileShares(split: unknown, choose: Choose): readonly ChosenShare[] | string {
  if (!Array.isArray(split)) return 'expected "split" to be a list';
  const weights = new Map<string, number>();
  for (const entry of split) {
    const variant = own(entry, 'variant');
    const weight = own(entry, 'weight');
    if (typeof variant !== 'string') return 'expected "variant" in a split to be text';
    if (!Number.isInteger(weight) || Number(weight) < 0 || Number(weight) > 100_000)
      return 'expected "weight" in a split to be an integer from 0 to 100000';
    if (weights.has(variant)) return `variant "${variant}" is twice in a split`;
    weights.set(variant, Number(weight));
  }
  // In order of key, because of two shares that tie the smaller key wins.
  return [...weights]
    .filter(([, weight]) => weight > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([variant, weight]) => ({ weight, hash: murmur3(variant), choice: choose(variant, true) }));
}

/** Compiles what a rule or a fallthrough serves; a text says what is wrong, undefined that the kind is not known. */
export function compileServe(serve: unknown, defaultSalt: unknown, choose: Choose): Pick | string | undefined {
  if (!isRecord(serve)) return 'expected "serve" or "fallthrough" to be an object';
  const variant = own(serve, 'variant');
  const split = own(serve, 'split');
  if (variant === undefined && split === undefined) return undefined;
  if (variant !== undefined) {
    if (typeof variant !== 'string') return 'expected "variant" to be text';
    const only = choose(variant, false);
    return () => only;
  }
  const draw = compileDraw(serve, defaultSalt);
  if (typeof draw !== 'function') return draw;
  const shares = compileShares(split, choose);
  if (typeof shares === 'string') return shares;
  return (run) => {
    const bucket = draw(run);
    return bucket === undefined ? undefined : shares[winner(bucket, shares)]?.choice;
  };
}
