import { choice, compileMark } from './choice.js';
import type { Choice } from './choice.js';
import { isBoolean, isList, isText, own } from './json.js';
import { compileRule } from './rule.js';
import { deferred, need, never } from './run.js';
import type { Step } from './run.js';
import { always, compileServe, isKnownServe } from './serve.js';
import type { Pick } from './serve.js';

// One for all flags: reading a thousand empty lists takes longer than reading one.
const NONE: readonly never[] = [];

/** Compiles a list element by element; what is no list is taken for a list of one broken element. */
export function compileEach<R>(list: unknown, compile: (element: unknown) => Step<R>): readonly Step<R>[] {
  if (!isList(list)) return [deferred(() => compile(undefined))];
  return list.length === 0 ? NONE : list.map((element) => deferred(() => compile(element)));
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

/** Compiles what is served when no rule applies. */
export function compileFallthrough(flag: unknown): Pick {
  const serve = own(flag, 'fallthrough');
  if (serve === null) return never;
  if (!isKnownServe(serve)) throw new TypeError('fallthrough');
  const rules = own(flag, 'rules');
  const reason = isList(rules) && rules.length === 0 ? 'STATIC' : 'DEFAULT';
  const mark = compileMark(own(flag, 'measure'), {}, own(flag, 'key'));
  return compileServe(serve, own(flag, 'key'), (variant, bySplit) =>
    choice(flag, variant, bySplit ? 'SPLIT' : reason, {}, mark),
  );
}

function isVariant(value: unknown): value is string | null {
  return value === null || isText(value);
}

/** Compiles a flag into its choice, in the order of the contract. */
export function compileFlag(flag: unknown): Step<Choice> {
  const off = always(() => choice(flag, need(flag, 'offVariant', isVariant), 'DISABLED'));
  if (!need(flag, 'enabled', isBoolean)) return off;
  const prerequisites = compileEach(own(flag, 'prerequisites'), compilePrerequisite);
  const rules = compileEach(own(flag, 'rules'), (rule) => compileRule(flag, rule));
  const fallthrough = deferred(() => compileFallthrough(flag));
  const none = always(() => choice(flag, null, 'DEFAULT'));
  return (context, run) => {
    for (const prerequisite of prerequisites) {
      const failed = prerequisite(context, run);
      if (failed === undefined) continue;
      run.extra = { ...run.extra, prerequisiteFailed: failed };
      return off(context, run);
    }
    for (const rule of rules) {
      const decided = rule(context, run);
      if (decided !== undefined) return decided;
    }
    return fallthrough(context, run) ?? none(context, run);
  };
}
