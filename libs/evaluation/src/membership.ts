import { attribute, read } from './attribute.js';
import { unitText } from './bucket.js';
import { any, compileConditions } from './condition.js';
import { compileEach } from './decide.js';
import { admits, compileGate, isKnownDraw } from './gate.js';
import { isList, isText, own } from './json.js';
import { all, deferred, need, never } from './run.js';
import type { Test } from './run.js';

function compileGateTest(gate: unknown, cohort: unknown): Test {
  const compiled = compileGate(gate, `cohort:${need(cohort, 'key', isText)}`);
  return (context, run) => admits(compiled, context, run);
}

function compileCohortRule(rule: unknown, cohort: unknown): Test {
  const tests = compileConditions(rule);
  const gate = own(rule, 'gate');
  if (!isKnownDraw(gate)) tests.push(never);
  if (gate !== undefined) tests.push(deferred(() => compileGateTest(gate, cohort)));
  return (context, run) => all(tests, context, run);
}

/** Compiles a cohort: true for a member; unknown when no list decides, no rule is true and one is unknown. */
export function compileCohort(cohort: unknown): Test {
  const subject = attribute(need(cohort, 'attribute', isText, 'targetingKey'));
  const listed = (name: string): Test =>
    deferred(() => {
      const keys = new Set(need(cohort, name, isList));
      return (context, run) => keys.size > 0 && keys.has(unitText(read(subject, context, run.now)));
    });
  const excluded = listed('excluded');
  const included = listed('included');
  const rules = compileEach(own(cohort, 'rules'), (rule) => compileCohortRule(rule, cohort));
  return (context, run) => {
    if (excluded(context, run) === true) return false;
    return included(context, run) === true || any(rules, (rule) => rule(context, run));
  };
}
