import { attribute, read } from './attribute.js';
import { unitText } from './bucket.js';
import { compileConditions } from './condition.js';
import { compileEach } from './decide.js';
import { admits, compileGate, isKnownDraw } from './gate.js';
import { isList, isText, own } from './json.js';
import { all, deferred, need, never, some } from './run.js';
import type { Step, Test } from './run.js';

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
  const list = (name: string): Step<ReadonlySet<unknown>> =>
    deferred(() => {
      const keys = new Set(need(cohort, name, isList));
      return () => keys;
    });
  const excluded = list('excluded');
  const included = list('included');
  const rules = compileEach(own(cohort, 'rules'), (rule) => compileCohortRule(rule, cohort));
  return (context, run) => {
    const unit = unitText(read(subject, context, run.now));
    if (excluded(context, run).has(unit)) return false;
    return included(context, run).has(unit) || some(rules, context, run);
  };
}
