import { choice, compileMark } from './choice.js';
import type { Choice } from './choice.js';
import { compileConditions } from './condition.js';
import { admits, compileGate, isKnownDraw } from './gate.js';
import type { Gate } from './gate.js';
import { isBoolean, isText, own } from './json.js';
import { all, deferred, need, never, resolve } from './run.js';
import type { Part, Step } from './run.js';
import { compileServe, isKnownServe } from './serve.js';

/** What a step comes to that does nothing but look at a gate, for who has a unit; it carries it. */
export type Fork = { readonly gate: Gate; readonly inside: Part<Choice>; readonly outside: Part<Choice> };

/** What a rule does with a unit that meets its conditions; where it decides nothing, `next` does. */
function compileOutcome(flag: unknown, rule: unknown, next: Part<Choice>): Part<Choice> {
  const salt = own(flag, 'key');
  const document = own(rule, 'gate');
  const otherwise = own(document, 'otherwise');
  const mark = compileMark(own(rule, 'measure'), document, salt);
  const choose = (variant: string, bySplit: boolean): Choice => {
    const reason = bySplit || otherwise !== undefined ? 'SPLIT' : 'TARGETING_MATCH';
    return choice(flag, variant, reason, { ruleId: need(rule, 'id', isText) }, mark);
  };
  const inside = deferred(() => compileServe(own(rule, 'serve'), salt, choose, next));
  if (document === undefined) return inside;
  const gate = compileGate(document, salt);
  const outside = otherwise === undefined ? next : deferred(() => choose(need(document, 'otherwise', isText), true));
  const step: Step<Choice> = (context, run) => {
    const admitted = admits(gate, context, run);
    return resolve(admitted === undefined ? next : admitted ? inside : outside, context, run);
  };
  return Object.assign(step, { gate, inside, outside });
}

/** Compiles a rule into its choice, or that of `next` where it does not apply. Throws when it is broken. */
export function compileRule(flag: unknown, rule: unknown, next: Part<Choice>): Part<Choice> {
  if (!need(rule, 'enabled', isBoolean, true)) return next;
  const tests = compileConditions(rule);
  if (!isKnownDraw(own(rule, 'gate')) || !isKnownServe(own(rule, 'serve'))) tests.push(never);
  const outcome = deferred(() => compileOutcome(flag, rule, next));
  if (tests.length === 0) return outcome;
  return (context, run) => resolve(all(tests, context, run) === true ? outcome : next, context, run);
}
