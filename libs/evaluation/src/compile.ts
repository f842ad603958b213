import { choice } from './choice.js';
import type { EvaluationMetadata } from './evaluation.js';
import { isRecord, own } from './json.js';
import { compileMeasured, compileRule } from './rule.js';
import type { CompiledRule } from './rule.js';
import { all, breaks, never } from './run.js';
import type { Test } from './run.js';
import { compileServe } from './serve.js';
import type { Pick } from './serve.js';

type CompiledPrerequisite = { readonly flag: string; readonly holds: Test };

function compilePrerequisite(prerequisite: unknown): CompiledPrerequisite {
  const flag = own(prerequisite, 'flag');
  const variants = own(prerequisite, 'variants');
  if (typeof flag !== 'string' || !Array.isArray(variants))
    return { flag: '', holds: breaks('expected a prerequisite to have a "flag" and a list of "variants"') };
  const wanted = new Set<unknown>(variants);
  return { flag, holds: (run) => wanted.has(run.variantOf(flag) ?? null) };
}

function compileList<T>(list: unknown, compile: (element: unknown) => T, broken: T): readonly T[] {
  return Array.isArray(list) ? list.map(compile) : [broken];
}

function compileOff(flag: unknown): Pick {
  const variant = own(flag, 'offVariant');
  if (variant !== null && typeof variant !== 'string') return breaks('expected "offVariant" to be text or null');
  const off = choice(flag, variant, 'DISABLED');
  return () => off;
}

function compileFallthrough(flag: unknown, hasRules: boolean): Pick {
  const none = choice(flag, null, 'DEFAULT');
  const serve = own(flag, 'fallthrough');
  if (serve === null) return () => none;
  const make = (extra: EvaluationMetadata): Pick => {
    const still = hasRules ? 'DEFAULT' : 'STATIC';
    const pick = compileServe(serve, own(flag, 'key'), (variant, bySplit) =>
      choice(flag, variant, bySplit ? 'SPLIT' : still, extra),
    );
    if (typeof pick !== 'function') return breaks(pick ?? 'expected "fallthrough" to be of a known kind');
    return (run) => pick(run) ?? none;
  };
  const measure = own(flag, 'measure');
  return measure === undefined ? make({}) : compileMeasured(measure, undefined, own(flag, 'key'), make);
}

/**
 * Compiles a flag into the one function that decides it, in the order of the contract. It answers undefined exactly
 * when it met something broken, which the run then holds.
 */
export function compileFlag(flag: unknown): Pick {
  const enabled = own(flag, 'enabled');
  if (!isRecord(flag) || typeof enabled !== 'boolean')
    return breaks('expected a flag to be an object and "enabled" to be true or false');
  const off = compileOff(flag);
  if (!enabled) return off;
  const prerequisites = compileList(own(flag, 'prerequisites'), compilePrerequisite, {
    flag: '',
    holds: breaks('expected "prerequisites" to be a list'),
  });
  const list = compileList<CompiledRule | undefined>(own(flag, 'rules'), (rule) => compileRule(flag, rule), {
    tests: [breaks('expected "rules" to be a list')],
    pick: never,
  });
  const rules = list.filter((rule) => rule !== undefined);
  const fallthrough = compileFallthrough(flag, list.length > 0);
  return (run) => {
    for (const prerequisite of prerequisites) {
      const holds = prerequisite.holds(run);
      if (run.broken !== undefined) return undefined;
      if (holds !== true) {
        run.prerequisiteFailed = prerequisite.flag;
        return off(run);
      }
    }
    for (const rule of rules) {
      const decided = all(rule.tests, run) === true ? rule.pick(run) : undefined;
      if (decided !== undefined || run.broken !== undefined) return decided;
    }
    return fallthrough(run);
  };
}
