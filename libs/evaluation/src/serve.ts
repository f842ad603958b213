import { brokenChoice } from './choice.js';
import type { Choice } from './choice.js';
import { bucketOf, compileDraw } from './gate.js';
import type { Draw } from './gate.js';
import { isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { murmur3 } from './murmur3.js';
import type { Run } from './run.js';
import { winner } from './split.js';
import type { Share } from './split.js';

/** What a rule or a fallthrough serves: one choice, or, when there is a draw, one of the shares. */
export type Serving = {
  readonly only: Choice | undefined;
  readonly draw: Draw | undefined;
  readonly shares: readonly ChosenShare[];
};

type ChosenShare = Share & { readonly choice: Choice };

/** Makes the choice of a variant, by a split or not. */
export type Choose = (variant: string, bySplit: boolean) => Choice;

const NO_SHARES: readonly ChosenShare[] = [];

/** A serving of one choice, or of none. */
export function servingOf(only: Choice | undefined): Serving {
  return { only, draw: undefined, shares: NO_SHARES };
}

/** The choice for the context of a run; undefined when a split decides nothing. */
export function serve({ only, draw, shares }: Serving, context: JsonRecord, run: Run): Choice | undefined {
  if (draw === undefined) return only;
  const bucket = bucketOf(draw, context, run);
  return bucket === undefined ? undefined : shares[winner(bucket, shares)]?.choice;
}

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
    .map(([variant, weight]) => ({ weight, hash: murmur3(variant) | 0, choice: choose(variant, true) }));
}

/** Compiles what is served; undefined when the kind is not known. A broken one is a choice that says so. */
export function compileServe(document: unknown, defaultSalt: unknown, choose: Choose): Serving | undefined {
  const broken = (message: string): Serving => servingOf(brokenChoice(message));
  if (!isRecord(document)) return broken('expected "serve" or "fallthrough" to be an object');
  const variant = own(document, 'variant');
  if (typeof variant === 'string') return servingOf(choose(variant, false));
  if (variant !== undefined) return broken('expected "variant" to be text');
  const split = own(document, 'split');
  if (split === undefined) return undefined;
  const draw = compileDraw(document, defaultSalt);
  if (typeof draw !== 'object') return draw === undefined ? undefined : broken(draw);
  const shares = compileShares(split, choose);
  return typeof shares === 'string' ? broken(shares) : { only: undefined, draw, shares };
}
