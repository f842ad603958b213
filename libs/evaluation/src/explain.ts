import { choice } from './choice.js';
import type { Context } from './context.js';
import { compileFallthrough, compileFlag, compilePrerequisite } from './decide.js';
import { evaluate } from './evaluate.js';
import type { Evaluation } from './evaluation.js';
import { MAX_DEPTH, createMachine, createMemory } from './machine.js';
import { conditionTraces, gateTrace, judge, splitTrace } from './explain-parts.js';
import type { Scene } from './explain-parts.js';
import { isKnownDraw } from './gate.js';
import { elements, isList, isRecord, isText, own } from './json.js';
import { compileRule } from './rule.js';
import { isKnownServe } from './serve.js';
import type { Snapshot } from './snapshot.js';
import type { ConditionTrace, TraceStep } from './trace.js';

/** An evaluation and every step that led to it. */
export type Explanation = { readonly evaluation: Evaluation; readonly trace: readonly TraceStep[] };

type RuleStep = Extract<TraceStep, { readonly step: 'rule' }>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

function prerequisiteStep(scene: Scene, prerequisite: unknown, depth: number): TraceStep {
  const flag = own(prerequisite, 'flag');
  const failed = compilePrerequisite(prerequisite);
  if (!isText(flag)) throw new TypeError('flag');
  const isNew = !scene.seen.has(`flag:${flag}`) && depth < MAX_DEPTH;
  const trace = isNew ? flagSteps(scene, flag, depth + 1) : undefined;
  return {
    step: 'prerequisite',
    flag,
    variants: elements(own(prerequisite, 'variants')).filter(isText),
    serves: judge(scene, (context, run) => run.variantOf(flag, context)) ?? null,
    holds: judge(scene, failed) === undefined,
    ...(trace !== undefined && { trace }),
  };
}

/** Fills the step as far as evaluation goes; what was filled in stays when it throws. */
function explainRule(scene: Scene, flag: unknown, rule: unknown, step: Writable<RuleStep>): void {
  const decision = compileRule(flag, rule, choice({}, null, 'DEFAULT'));
  step.enabled = own(rule, 'enabled') !== false;
  if (!step.enabled) return;
  const conditions: ConditionTrace[] = [];
  step.conditions = conditions;
  const [gate, serve, salt] = [own(rule, 'gate'), own(rule, 'serve'), own(flag, 'key')];
  if (conditionTraces(scene, own(rule, 'conditions'), conditions) !== 'true') return;
  if (!isKnownDraw(gate) || !isKnownServe(serve)) return;
  if (gate !== undefined) step.gate = gateTrace(scene, gate, salt);
  step.serves = judge(scene, decision).variant ?? null;
  const isInside = step.gate === undefined || step.gate.admits === 'true';
  if (isInside && isSplit(serve)) step.split = splitTrace(scene, serve, salt, step.serves);
}

function isSplit(serve: unknown): boolean {
  return own(serve, 'variant') === undefined && own(serve, 'split') !== undefined;
}

/** Adds the steps of one flag; throws what is broken. */
function explainFlag(scene: Scene, flag: unknown, depth: number, steps: TraceStep[]): void {
  const decide = compileFlag(flag);
  if (own(flag, 'enabled') === false) {
    steps.push({ step: 'off', serves: judge(scene, decide).variant ?? null });
    return;
  }
  const prerequisites = own(flag, 'prerequisites');
  for (const prerequisite of isList(prerequisites) ? prerequisites : [undefined]) {
    const step = prerequisiteStep(scene, prerequisite, depth);
    steps.push(step);
    if (step.step !== 'prerequisite' || step.holds) continue;
    steps.push({ step: 'off', serves: judge(scene, decide).variant ?? null });
    return;
  }
  const rules = own(flag, 'rules');
  for (const rule of isList(rules) ? rules : [undefined]) {
    const id = own(rule, 'id');
    const step: Writable<RuleStep> = {
      step: 'rule',
      rule: isText(id) ? id : '',
      enabled: true,
      conditions: [],
      serves: null,
    };
    steps.push(step);
    explainRule(scene, flag, rule, step);
    if (step.serves !== null) return;
  }
  const serves = judge(scene, compileFallthrough(flag)).variant ?? null;
  const serve = own(flag, 'fallthrough');
  const split = isSplit(serve) ? { split: splitTrace(scene, serve, own(flag, 'key'), serves) } : {};
  steps.push({ step: 'fallthrough', ...split, serves });
}

function flagSteps(scene: Scene, key: string, depth: number): TraceStep[] {
  scene.seen.add(`flag:${key}`);
  const flag = own(scene.flags, key);
  if (flag === undefined) return [{ step: 'flag', flag: key, state: 'missing' }];
  const steps: TraceStep[] = [
    { step: 'flag', flag: key, state: own(flag, 'enabled') === false ? 'disabled' : 'enabled' },
  ];
  try {
    explainFlag(scene, flag, depth, steps);
  } catch (problem) {
    steps.push({ step: 'broken', message: problem instanceof Error ? problem.message : String(problem) });
  }
  return steps;
}

/**
 * Why a flag answers what it answers to a context at `now`, and from which percentage on a unit would be in: the
 * evaluation, and every prerequisite, rule, condition, cohort, gate and split that was looked at. Every verdict is the
 * evaluator's own.
 */
export function explain(snapshot: Snapshot, flagKey: string, context: Context, now: number): Explanation {
  const scene: Scene = {
    machine: createMachine(snapshot, createMemory()),
    flags: own(snapshot, 'flags'),
    cohorts: own(snapshot, 'cohorts'),
    context: isRecord(context) ? context : {},
    now,
    seen: new Set(),
  };
  return { evaluation: evaluate(snapshot, flagKey, context, now), trace: flagSteps(scene, flagKey, 0) };
}
