import { choice, compileMark } from './choice.js';
import type { Choice } from './choice.js';
import { compileConditions } from './condition.js';
import { admits, compileGate, isKnownDraw } from './gate.js';
import { isBoolean, isText, own } from './json.js';
import { all, deferred, need, never } from './run.js';
import { always, compileServe, isKnownServe } from './serve.js';
import type { Pick } from './serve.js';

/** What a rule does with a unit that meets its conditions. */
function compileOutcome(flag: unknown, rule: unknown): Pick {
  const salt = own(flag, 'key');
  const document = own(rule, 'gate');
  const otherwise = own(document, 'otherwise');
  const mark = compileMark(own(rule, 'measure'), document, salt);
  const choose = (variant: string, bySplit: boolean): Choice =>
    choice(flag, variant, bySplit ? 'SPLIT' : 'TARGETING_MATCH', { ruleId: need(rule, 'id', isText) }, mark);
  const inside = compileServe(own(rule, 'serve'), salt, (variant, bySplit) =>
    choose(variant, bySplit || otherwise !== undefined),
  );
  if (document === undefined) return inside;
  const gate = compileGate(document, salt);
  const outside = otherwise === undefined ? never : always(() => choose(need(document, 'otherwise', isText), true));
  return (context, run) => {
    const admitted = admits(gate, context, run);
    if (admitted === undefined) return undefined;
    return admitted ? inside(context, run) : outside(context, run);
  };
}

/** Compiles a rule into its choice; undefined when it does not apply. */
export function compileRule(flag: unknown, rule: unknown): Pick {
  if (!need(rule, 'enabled', isBoolean, true)) return never;
  const tests = compileConditions(rule);
  if (!isKnownDraw(own(rule, 'gate')) || !isKnownServe(own(rule, 'serve'))) tests.push(never);
  const outcome = deferred(() => compileOutcome(flag, rule));
  if (tests.length === 0) return outcome;
  return (context, run) => (all(tests, context, run) === true ? outcome(context, run) : undefined);
}
