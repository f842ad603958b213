import type { Choice } from './choice.js';
import { bucketOf, compileDraw, isKnownDraw, pass } from './gate.js';
import { isList, isRecord, isText, own } from './json.js';
import { murmur3 } from './murmur3.js';
import { deferred, need, resolve } from './run.js';
import type { Part } from './run.js';
import { winner } from './split.js';

/** The choice of a variant, by a split or not. */
export type Choose = (variant: string, bySplit: boolean) => Choice;

function isWeight(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 100_000;
}

/** False for what a later version may serve, which makes its rule not apply. */
export function isKnownServe(document: unknown): boolean {
  if (!isRecord(document) || own(document, 'variant') !== undefined) return true;
  return own(document, 'split') !== undefined && isKnownDraw(document);
}

function compileSplit(document: unknown, salt: unknown, choose: Choose, next: Part<Choice>): Part<Choice> {
  const draw = compileDraw(document, salt);
  const weights = new Map<string, number>();
  for (const entry of need(document, 'split', isList)) {
    const variant = need(entry, 'variant', isText);
    if (weights.has(variant)) throw new TypeError(variant);
    weights.set(variant, need(entry, 'weight', isWeight));
  }
  // In order of key, because of two shares that tie the smaller key wins.
  const shares = [...weights]
    .filter(([, weight]) => weight > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([variant, weight]) => ({
      weight,
      hash: murmur3(variant) | 0,
      choice: deferred(() => choose(variant, true)),
    }));
  return (context, run) => {
    const bucket = bucketOf(draw, context, run);
    const won = bucket === undefined ? pass(draw, run) : shares[winner(bucket, shares)];
    return resolve(won === undefined ? next : won.choice, context, run);
  };
}

/** Compiles what a rule or a fallthrough serves; where that is nothing, `next` decides. Throws when it is broken. */
export function compileServe(document: unknown, salt: unknown, choose: Choose, next: Part<Choice>): Part<Choice> {
  if (own(document, 'split') === undefined || own(document, 'variant') !== undefined)
    return choose(need(document, 'variant', isText), false);
  return compileSplit(document, salt, choose, next);
}
