import { brokenChoice, choice } from './choice.js';
import type { Choice } from './choice.js';
import { compileConditions } from './condition.js';
import type { EvaluationMetadata } from './evaluation.js';
import { admits, bucketOf, compileDraw, compileGate, gateOf } from './gate.js';
import type { Gate } from './gate.js';
import { isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { all, never } from './run.js';
import type { Run, Test } from './run.js';
import { compileServe, serve, servingOf } from './serve.js';
import type { Serving } from './serve.js';

/** What a rule does with a unit that meets its conditions. */
type Outcome = {
  readonly gate: Gate | undefined;
  readonly otherwise: Choice | undefined;
  readonly serving: Serving;
};

/** The mark of a rollout: its arms do the same and differ in their metadata. */
type Mark = { readonly gate: Gate; readonly canary: Outcome; readonly baseline: Outcome };

/** A compiled rule, or a fallthrough, which is a rule without conditions. */
export type CompiledRule = Outcome & { readonly tests: readonly Test[]; readonly mark: Mark | undefined };

const NO_TESTS: readonly Test[] = [];

// Every object of a kind is made in one place with all its properties, so that they share one shape in the engine.
function outcomeOf(serving: Serving, gate?: Gate, otherwise?: Choice): Outcome {
  return { gate, otherwise, serving };
}

function ruleOf(tests: readonly Test[], { gate, otherwise, serving }: Outcome, mark: Mark | undefined): CompiledRule {
  return { gate, otherwise, serving, tests, mark };
}

/** A rule without conditions that always decides on the one choice. */
export function always(only: Choice): CompiledRule {
  return ruleOf(NO_TESTS, outcomeOf(servingOf(only)), undefined);
}

function ofArm(rule: CompiledRule, { gate, canary, baseline }: Mark, context: JsonRecord, run: Run): Outcome {
  const missing = run.unitMissing;
  const bucket = bucketOf(gate, context, run);
  // A mark passes nobody over: who has no unit is in no arm.
  run.unitMissing = missing;
  if (bucket === undefined) return rule;
  return bucket >>> 0 < gate.limit ? canary : baseline;
}

/** The rule's choice; undefined when it does not apply, or when something broken was met, which the run then holds. */
export function apply(rule: CompiledRule, context: JsonRecord, run: Run): Choice | undefined {
  if (rule.tests.length > 0 && all(rule.tests, context, run) !== true) return undefined;
  const { gate, otherwise, serving } = rule.mark === undefined ? rule : ofArm(rule, rule.mark, context, run);
  const admitted = gate === undefined || admits(gate, context, run);
  if (admitted === true) return serve(serving, context, run);
  return admitted === false ? otherwise : undefined;
}

function compileMark(
  measure: unknown,
  gate: unknown,
  salt: unknown,
  make: (extra: EvaluationMetadata) => Outcome,
): Mark | undefined {
  const rollout = own(measure, 'rollout');
  const epoch = own(measure, 'epoch');
  const percentage = own(measure, 'percentage');
  const draw = compileDraw({ bucketBy: own(gate, 'bucketBy'), salt: own(gate, 'salt') }, salt);
  if (typeof rollout !== 'string' || typeof epoch !== 'number' || typeof percentage !== 'number') return undefined;
  if (typeof draw !== 'object') return undefined;
  return {
    gate: gateOf(draw, percentage),
    canary: make({ rollout, epoch, arm: 'canary' }),
    baseline: make({ rollout, epoch, arm: 'baseline' }),
  };
}

function compileOutcome(flag: unknown, rule: unknown, extra: EvaluationMetadata): Outcome | undefined {
  const id = own(rule, 'id');
  const salt = own(flag, 'key');
  const gate = own(rule, 'gate');
  const otherwise = own(gate, 'otherwise');
  const choose = (variant: string, bySplit: boolean): Choice =>
    typeof id === 'string'
      ? choice(flag, variant, bySplit ? 'SPLIT' : 'TARGETING_MATCH', { ruleId: id, ...extra })
      : brokenChoice('expected "id" of a rule to be text');
  const serving = compileServe(own(rule, 'serve'), salt, (variant, bySplit) =>
    choose(variant, bySplit || otherwise !== undefined),
  );
  if (serving === undefined || gate === undefined) return serving && outcomeOf(serving);
  const compiled = compileGate(gate, salt);
  if (typeof compiled === 'string') return outcomeOf(servingOf(brokenChoice(compiled)));
  if (otherwise === undefined) return compiled && outcomeOf(serving, compiled);
  if (typeof otherwise === 'string') return compiled && outcomeOf(serving, compiled, choose(otherwise, true));
  return outcomeOf(servingOf(brokenChoice('expected "otherwise" of a gate to be text')));
}

/** Compiles a rule; undefined for one that is not enabled. */
export function compileRule(flag: unknown, rule: unknown): CompiledRule | undefined {
  const enabled = own(rule, 'enabled');
  if (enabled === false) return undefined;
  if (!isRecord(rule) || (enabled !== undefined && enabled !== true))
    return always(brokenChoice('expected a rule to be an object and "enabled" to be true or false'));
  const tests = compileConditions(own(rule, 'conditions'));
  const outcome = compileOutcome(flag, rule, {});
  // Of a kind that is not known: the rule does not apply, whatever its gate would say.
  if (outcome === undefined) return ruleOf([...tests, never], outcomeOf(servingOf(undefined)), undefined);
  const make = (extra: EvaluationMetadata): Outcome => compileOutcome(flag, rule, extra) ?? outcome;
  return ruleOf(tests, outcome, compileMark(own(rule, 'measure'), own(rule, 'gate'), own(flag, 'key'), make));
}

/** Compiles what a flag serves when no rule applies; undefined from `apply` then means the caller's default. */
export function compileFallthrough(flag: unknown, reason: 'STATIC' | 'DEFAULT'): CompiledRule {
  const document = own(flag, 'fallthrough');
  if (document === null) return ruleOf(NO_TESTS, outcomeOf(servingOf(undefined)), undefined);
  const make = (extra: EvaluationMetadata): Outcome => {
    const serving = compileServe(document, own(flag, 'key'), (variant, bySplit) =>
      choice(flag, variant, bySplit ? 'SPLIT' : reason, extra),
    );
    return outcomeOf(serving ?? servingOf(brokenChoice('expected "fallthrough" to be of a known kind')));
  };
  return ruleOf(NO_TESTS, make({}), compileMark(own(flag, 'measure'), undefined, own(flag, 'key'), make));
}
