import { threshold } from './bucket.js';
import { choice } from './choice.js';
import { compileConditions } from './condition.js';
import type { EvaluationMetadata } from './evaluation.js';
import { compileDraw, compileGate } from './gate.js';
import { isRecord, own } from './json.js';
import { breaks, never } from './run.js';
import type { Run, Test } from './run.js';
import { compileServe } from './serve.js';
import type { Pick } from './serve.js';

/** A rule applies when all tests are true and its pick decides. */
export type CompiledRule = { readonly tests: readonly Test[]; readonly pick: Pick };

type Arm = 'canary' | 'baseline' | undefined;

/**
 * Compiles a pick that knows its arm: `make` is asked once for each, as the metadata differ. The mark of a rollout is
 * otherwise ignored, so one that is not understood measures nothing and breaks nothing.
 */
export function compileMeasured(
  measure: unknown,
  gate: unknown,
  salt: unknown,
  make: (extra: EvaluationMetadata) => Pick,
): Pick {
  const rollout = own(measure, 'rollout');
  const epoch = own(measure, 'epoch');
  const percentage = own(measure, 'percentage');
  const draw = compileDraw({ bucketBy: own(gate, 'bucketBy'), salt: own(gate, 'salt') }, salt);
  if (typeof rollout !== 'string' || typeof epoch !== 'number' || typeof percentage !== 'number') return make({});
  if (typeof draw !== 'function') return make({});
  const limit = threshold(percentage);
  const armOf = (run: Run): Arm => {
    const missing = run.unitMissing;
    const bucket = draw(run);
    // Whoever is in no arm was not passed over by any gate.
    run.unitMissing = missing;
    if (bucket === undefined) return undefined;
    return bucket < limit ? 'canary' : 'baseline';
  };
  const canary = make({ rollout, epoch, arm: 'canary' });
  const baseline = make({ rollout, epoch, arm: 'baseline' });
  const unmeasured = make({});
  return (run) => {
    const arm = armOf(run);
    if (arm === undefined) return unmeasured(run);
    return arm === 'canary' ? canary(run) : baseline(run);
  };
}

function compilePick(flag: unknown, rule: unknown, extra: EvaluationMetadata): Pick | undefined {
  const id = own(rule, 'id');
  if (typeof id !== 'string') return breaks('expected "id" of a rule to be text');
  const salt = own(flag, 'key');
  const gate = own(rule, 'gate');
  const otherwise = own(gate, 'otherwise');
  const metadata = { ruleId: id, ...extra };
  const serve = compileServe(own(rule, 'serve'), salt, (variant, bySplit) =>
    choice(flag, variant, bySplit || otherwise !== undefined ? 'SPLIT' : 'TARGETING_MATCH', metadata),
  );
  if (serve === undefined) return undefined;
  const inside = typeof serve === 'string' ? breaks(serve) : serve;
  if (gate === undefined) return inside;
  if (otherwise !== undefined && typeof otherwise !== 'string') return breaks('expected "otherwise" to be text');
  const test = compileGate(gate, salt);
  const outside = otherwise === undefined ? undefined : choice(flag, otherwise, 'SPLIT', metadata);
  return (run) => {
    const admitted = test(run);
    if (admitted === undefined) return undefined;
    return admitted ? inside(run) : outside;
  };
}

/** Compiles a rule; undefined for one that is not enabled. */
export function compileRule(flag: unknown, rule: unknown): CompiledRule | undefined {
  const enabled = own(rule, 'enabled');
  if (enabled === false) return undefined;
  if (!isRecord(rule) || (enabled !== undefined && enabled !== true))
    return { tests: [breaks('expected a rule to be an object and "enabled" to be true or false')], pick: never };
  const conditions = compileConditions(own(rule, 'conditions'));
  const plain = compilePick(flag, rule, {});
  const measure = own(rule, 'measure');
  if (plain === undefined) return { tests: [...conditions, never], pick: never };
  if (measure === undefined) return { tests: conditions, pick: plain };
  const make = (extra: EvaluationMetadata): Pick => compilePick(flag, rule, extra) ?? plain;
  return { tests: conditions, pick: compileMeasured(measure, own(rule, 'gate'), own(flag, 'key'), make) };
}
