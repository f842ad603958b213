import { attribute, read } from './attribute.js';
import { bucket, partsToAdmit, threshold, unitText } from './bucket.js';
import { compileCondition } from './condition.js';
import type { Machine } from './machine.js';
import { admits, compileDraw, compileGate } from './gate.js';
import { asText, elements, isText, own, ownOr } from './json.js';
import type { JsonRecord } from './json.js';
import { murmur3 } from './murmur3.js';
import { resolve } from './run.js';
import type { Part, Truth } from './run.js';
import { score } from './split.js';
import type {
  CohortRuleTrace,
  CohortTrace,
  ConditionTrace,
  DrawTrace,
  GateTrace,
  SplitTrace,
  Verdict,
} from './trace.js';

/** What is being explained: a context at a time, and what of the snapshot was explained already. */
export type Scene = {
  readonly machine: Machine;
  readonly cohorts: unknown;
  readonly flags: unknown;
  readonly context: JsonRecord;
  now: number;
  readonly seen: Set<string>;
};

/** Lets the evaluator itself judge one part, in a run of its own. Throws what is broken. */
export function judge<R>({ machine, context, now }: Scene, part: Part<R>): R {
  machine.begin(now);
  return resolve(part, context, machine.run);
}

/** The word for a truth. */
function verdict(truth: Truth): Verdict {
  if (truth === undefined) return 'unknown';
  return truth ? 'true' : 'false';
}

function drawTrace(scene: Scene, document: unknown, defaultSalt: unknown): DrawTrace {
  compileDraw(document, defaultSalt);
  const bucketBy = asText(ownOr(document, 'bucketBy', 'targetingKey'));
  const salt = asText(ownOr(document, 'salt', defaultSalt));
  const unit = unitText(read(attribute(bucketBy), scene.context, scene));
  return { bucketBy, unit: unit ?? null, salt, bucket: unit === undefined ? null : bucket(unit, salt) };
}

/** Explains a gate that was met. */
export function gateTrace(scene: Scene, document: unknown, defaultSalt: unknown): GateTrace {
  const gate = compileGate(document, defaultSalt);
  const draw = drawTrace(scene, document, defaultSalt);
  const percentage = Number(own(document, 'percentage'));
  return {
    ...draw,
    percentage,
    threshold: threshold(percentage),
    admits: verdict(judge(scene, (context, run) => admits(gate, context, run))),
    inFrom: draw.bucket === null ? null : partsToAdmit(draw.bucket) / 1000,
  };
}

/** Explains a split that was met and gave the variant. */
export function splitTrace(scene: Scene, document: unknown, defaultSalt: unknown, variant: string | null): SplitTrace {
  const draw = drawTrace(scene, document, defaultSalt);
  const scores = elements(own(document, 'split')).map((share) => {
    const key = asText(own(share, 'variant'));
    const weight = Number(own(share, 'weight'));
    const exponential = draw.bucket === null ? 0 : score(draw.bucket, murmur3(key));
    return { variant: key, weight, exponential, score: exponential / weight };
  });
  return { ...draw, scores: draw.bucket === null ? [] : scores.filter(({ weight }) => weight > 0), variant };
}

/** Explains conditions from left to right, up to the first that is not true. */
export function conditionTraces(scene: Scene, list: unknown, into: ConditionTrace[]): Verdict {
  for (const condition of elements(list)) {
    const trace = conditionTrace(scene, condition);
    into.push(trace);
    if (trace.result !== 'true') return trace.result;
  }
  return 'true';
}

function conditionTrace(scene: Scene, condition: unknown): ConditionTrace {
  const result = verdict(judge(scene, (context, run) => compileCondition(condition)(context, run)));
  const negate = own(condition, 'negate') === true ? { negate: true as const } : {};
  const cohorts = own(condition, 'cohorts');
  if (cohorts !== undefined) {
    const traces: CohortTrace[] = [];
    for (const key of elements(cohorts).filter(isText)) {
      const trace = cohortTrace(scene, key);
      traces.push(trace);
      if (trace.member === 'true') break;
    }
    return { cohorts: traces, ...negate, result };
  }
  const name = asText(own(condition, 'attribute'));
  const actual = read(attribute(name), scene.context, scene);
  return {
    attribute: name,
    operator: asText(own(condition, 'operator')),
    ...(own(condition, 'ignoreCase') === true && { ignoreCase: true }),
    expected: elements(own(condition, 'values')),
    ...(actual !== undefined && { actual }),
    ...negate,
    result,
  };
}

function cohortRuleTrace(scene: Scene, rule: unknown, salt: string): CohortRuleTrace {
  const conditions: ConditionTrace[] = [];
  const result = conditionTraces(scene, own(rule, 'conditions'), conditions);
  const document = own(rule, 'gate');
  if (result !== 'true' || document === undefined) return { conditions, result };
  const gate = gateTrace(scene, document, salt);
  return { conditions, gate, result: gate.admits };
}

function cohortTrace(scene: Scene, key: string): CohortTrace {
  const member = verdict(judge(scene, (context, run) => run.inCohort(key, context)));
  const document = own(scene.cohorts, key);
  if (document === undefined) return { cohort: key, member, decidedBy: 'missing' };
  const name = asText(ownOr(document, 'attribute', 'targetingKey'));
  const unit = unitText(read(attribute(name), scene.context, scene)) ?? null;
  for (const list of ['excluded', 'included'] as const)
    if (unit !== null && elements(own(document, list)).includes(unit))
      return { cohort: key, member, decidedBy: list, unit };
  if (scene.seen.has(`cohort:${key}`)) return { cohort: key, member, decidedBy: 'elsewhere', unit };
  scene.seen.add(`cohort:${key}`);
  const rules: CohortRuleTrace[] = [];
  for (const rule of elements(own(document, 'rules'))) {
    const trace = cohortRuleTrace(scene, rule, `cohort:${asText(own(document, 'key'))}`);
    rules.push(trace);
    if (trace.result === 'true') break;
  }
  return { cohort: key, member, decidedBy: 'rules', unit, rules };
}
