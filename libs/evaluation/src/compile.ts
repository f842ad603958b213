import { brokenChoice, choice } from './choice.js';
import type { Choice } from './choice.js';
import { isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { always, apply, compileFallthrough, compileRule } from './rule.js';
import type { CompiledRule } from './rule.js';
import { breaks } from './run.js';
import type { Run, Test } from './run.js';

type CompiledPrerequisite = { readonly flag: string; readonly holds: Test };

/** A flag that is ready to decide. Plain data rather than closures: a thousand of them must fit a processor's cache. */
export type CompiledFlag = {
  readonly prerequisites: readonly CompiledPrerequisite[];
  readonly rules: readonly CompiledRule[];
  readonly fallthrough: CompiledRule;
  /** When a prerequisite fails. */
  readonly off: Choice;
  /** When nothing decides. */
  readonly none: Choice;
};

const NO_PREREQUISITES: readonly CompiledPrerequisite[] = [];
const NO_RULES: readonly CompiledRule[] = [];

function compilePrerequisite(prerequisite: unknown): CompiledPrerequisite {
  const flag = own(prerequisite, 'flag');
  const variants = own(prerequisite, 'variants');
  if (typeof flag !== 'string' || !Array.isArray(variants))
    return { flag: '', holds: breaks('expected a prerequisite to have a "flag" and a list of "variants"') };
  return {
    flag,
    holds: (context, run) => {
      const variant = run.variantOf(flag, context);
      return variant !== undefined && variants.includes(variant);
    },
  };
}

function compilePrerequisites(list: unknown): readonly CompiledPrerequisite[] {
  if (!Array.isArray(list)) return [{ flag: '', holds: breaks('expected "prerequisites" to be a list') }];
  return list.length === 0 ? NO_PREREQUISITES : list.map(compilePrerequisite);
}

function compileRules(flag: unknown, list: unknown): readonly CompiledRule[] {
  if (!Array.isArray(list)) return [always(brokenChoice('expected "rules" to be a list'))];
  const rules = list.map((rule) => compileRule(flag, rule)).filter((rule) => rule !== undefined);
  return rules.length === 0 ? NO_RULES : rules;
}

function compileOff(flag: unknown): Choice {
  const variant = own(flag, 'offVariant');
  if (variant === null || typeof variant === 'string') return choice(flag, variant, 'DISABLED');
  return brokenChoice('expected "offVariant" to be text or null');
}

function constant(only: Choice): CompiledFlag {
  return { prerequisites: NO_PREREQUISITES, rules: NO_RULES, fallthrough: always(only), off: only, none: only };
}

/** Compiles a flag, broken parts included: they matter where and when evaluation meets them. */
export function compileFlag(flag: unknown): CompiledFlag {
  const enabled = own(flag, 'enabled');
  if (!isRecord(flag) || typeof enabled !== 'boolean')
    return constant(brokenChoice('expected a flag to be an object and "enabled" to be true or false'));
  const off = compileOff(flag);
  if (!enabled) return constant(off);
  const rules = own(flag, 'rules');
  return {
    prerequisites: compilePrerequisites(own(flag, 'prerequisites')),
    rules: compileRules(flag, rules),
    fallthrough: compileFallthrough(flag, Array.isArray(rules) && rules.length === 0 ? 'STATIC' : 'DEFAULT'),
    off,
    none: choice(flag, null, 'DEFAULT'),
  };
}

/** Decides a flag in the order of the contract. When the run is broken afterwards, that is the answer. */
export function decide(
  { prerequisites, rules, fallthrough, off, none }: CompiledFlag,
  context: JsonRecord,
  run: Run,
): Choice {
  for (const { flag, holds } of prerequisites) {
    if (holds(context, run) === true) continue;
    run.prerequisiteFailed = flag;
    return off;
  }
  for (const rule of rules) {
    const decided = apply(rule, context, run);
    if (decided !== undefined || run.broken !== undefined) return decided ?? none;
  }
  return apply(fallthrough, context, run) ?? none;
}
