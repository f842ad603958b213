import { attribute, read } from './attribute.js';
import { unitText } from './bucket.js';
import { compileConditions } from './condition.js';
import { each } from './decide.js';
import { admits, compileGate, isKnownDraw } from './gate.js';
import { isList, isText, own } from './json.js';
import { all, deferred, need, never, resolve, some } from './run.js';
import type { Part, Test } from './run.js';

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
  const list = (name: string): Part<ReadonlySet<unknown>> => deferred(() => new Set(need(cohort, name, isList)));
  const excluded = list('excluded');
  const included = list('included');
  const rules = each(own(cohort, 'rules')).map((rule) => deferred(() => compileCohortRule(rule, cohort)));
  return (context, run) => {
    const unit = unitText(read(subject, context, run));
    const out = resolve(excluded, context, run);
    // Most cohorts exclude nobody, and an empty set still hashes what it is asked for.
    if (out.size > 0 && out.has(unit)) return false;
    return resolve(included, context, run).has(unit) || some(rules, context, run);
  };
}
