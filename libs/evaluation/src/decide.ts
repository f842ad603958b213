import { choice, compileMark } from './choice.js';
import type { Choice } from './choice.js';
import { isBoolean, isList, isText, own } from './json.js';
import { compileRule } from './rule.js';
import { deferred, need, resolve } from './run.js';
import type { Part, Step } from './run.js';
import { compileServe, isKnownServe } from './serve.js';

/** The elements of a list; what is no list is taken for a list of one broken element. */
export function each(list: unknown): readonly unknown[] {
  return isList(list) ? list : [undefined];
}

/** Compiles a prerequisite into the key of its flag when it does not hold, undefined when it does. */
export function compilePrerequisite(prerequisite: unknown): Step<string | undefined> {
  const flag = need(prerequisite, 'flag', isText);
  const variants = need(prerequisite, 'variants', isList);
  return (context, run) => {
    const variant = run.variantOf(flag, context);
    return variant !== undefined && variants.includes(variant) ? undefined : flag;
  };
}

/** Compiles what is served when no rule applies; where that is nothing, the caller's default. */
export function compileFallthrough(flag: unknown): Part<Choice> {
  const none = deferred(() => choice(flag, null, 'DEFAULT'));
  const serve = own(flag, 'fallthrough');
  if (serve === null) return none;
  if (!isKnownServe(serve)) throw new TypeError('fallthrough');
  const rules = own(flag, 'rules');
  const reason = isList(rules) && rules.length === 0 ? 'STATIC' : 'DEFAULT';
  const mark = compileMark(own(flag, 'measure'), {}, own(flag, 'key'));
  const choose = (variant: string, bySplit: boolean): Choice =>
    choice(flag, variant, bySplit ? 'SPLIT' : reason, {}, mark);
  return compileServe(serve, own(flag, 'key'), choose, none);
}

function isVariant(value: unknown): value is string | null {
  return value === null || isText(value);
}

/**
 * Compiles a flag into its choice, in the order of the contract but from its end: every part is given what decides where
 * it does not, so that following them is one call after the other, and none at all for a flag without conditions.
 */
export function compileFlag(flag: unknown): Part<Choice> {
  const off = deferred(() => choice(flag, need(flag, 'offVariant', isVariant), 'DISABLED'));
  if (!need(flag, 'enabled', isBoolean)) return off;
  const decided = each(own(flag, 'rules')).reduceRight<Part<Choice>>(
    (next, rule) => deferred(() => compileRule(flag, rule, next)),
    deferred(() => compileFallthrough(flag)),
  );
  return each(own(flag, 'prerequisites')).reduceRight<Part<Choice>>((next, prerequisite) => {
    const failing = deferred(() => compilePrerequisite(prerequisite));
    return (context, run) => {
      const failed = failing(context, run);
      if (failed !== undefined) run.extra = { ...run.extra, prerequisiteFailed: failed };
      return resolve(failed === undefined ? next : off, context, run);
    };
  }, decided);
}
