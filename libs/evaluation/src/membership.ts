import { attribute, read } from './attribute.js';
import { unitText } from './bucket.js';
import { compileConditions } from './condition.js';
import { admits, compileGate } from './gate.js';
import { isRecord, own, ownOr } from './json.js';
import { all, breaks, never } from './run.js';
import type { Test, Truth } from './run.js';

function compileCohortRule(rule: unknown, salt: unknown): readonly Test[] {
  if (!isRecord(rule)) return [breaks('expected a rule of a cohort to be an object')];
  const conditions = compileConditions(own(rule, 'conditions'));
  const gate = own(rule, 'gate');
  if (gate === undefined) return conditions;
  const compiled = compileGate(gate, salt);
  if (compiled === undefined) return [...conditions, never];
  return [
    ...conditions,
    typeof compiled === 'string' ? breaks(compiled) : (context, run) => admits(compiled, context, run),
  ];
}

function compileList(list: unknown, name: string, decision: boolean): (unit: string | undefined) => Truth | string {
  if (!Array.isArray(list)) return () => `expected "${name}" of a cohort to be a list`;
  const keys = new Set<unknown>(list);
  return (unit) => (unit !== undefined && keys.has(unit) ? decision : undefined);
}

/** Compiles a cohort: true for a member, unknown when no list decides, no rule is true and one is unknown. */
export function compileCohort(cohort: unknown): Test {
  if (!isRecord(cohort)) return breaks('expected a cohort to be an object');
  const key = own(cohort, 'key');
  const name = ownOr(cohort, 'attribute', 'targetingKey');
  if (typeof key !== 'string' || typeof name !== 'string') return breaks('expected "attribute" of a cohort to be text');
  const subject = attribute(name);
  const lists = [
    compileList(own(cohort, 'excluded'), 'excluded', false),
    compileList(own(cohort, 'included'), 'included', true),
  ];
  const rules = own(cohort, 'rules');
  const compiled = Array.isArray(rules)
    ? rules.map((rule) => compileCohortRule(rule, `cohort:${key}`))
    : [[breaks('expected "rules" of a cohort to be a list')]];
  return (context, run) => {
    const unit = unitText(read(subject, context, run.now));
    for (const list of lists) {
      const decided = list(unit);
      if (typeof decided === 'string') run.broken ??= decided;
      if (decided !== undefined) return decided === true;
    }
    let truth: Truth = false;
    for (const tests of compiled) {
      const one = all(tests, context, run);
      if (one === true || run.broken !== undefined) return one;
      if (one === undefined) truth = undefined;
    }
    return truth;
  };
}
