import { isMetadata } from './choice.js';
import type { Choice } from './choice.js';
import type { ErrorCode, Evaluation, EvaluationMetadata } from './evaluation.js';
import { bucketOf } from './gate.js';
import { own } from './json.js';
import type { JsonRecord } from './json.js';
import type { Run } from './run.js';

/** A choice as an answer, with more metadata than its own; frozen. */
export function answerOf({ value, variant, reason, metadata }: Choice, more?: EvaluationMetadata): Evaluation {
  const said = Object.freeze({ ...metadata, ...more });
  if (value === undefined || variant === undefined) return Object.freeze({ reason, metadata: said });
  return Object.freeze({ value, variant, reason, metadata: said });
}

/** The caller's default, and why; frozen. What is said beside it may come from a document: what is no metadata is not passed on. */
export function failure(code: ErrorCode, message: string, metadata: unknown, more?: EvaluationMetadata): Evaluation {
  const said = Object.freeze({ ...(isMetadata(metadata) && metadata), ...more });
  return Object.freeze({ reason: 'ERROR', errorCode: code, errorMessage: message, metadata: said });
}

/** The answer of a flag that turned out to be broken. */
export const broken = (flag: unknown, problem: unknown, more?: EvaluationMetadata): Evaluation =>
  failure('PARSE_ERROR', `cannot be understood: ${String(problem)}`, own(flag, 'metadata'), more);

/** The choice as the unit's arm makes it, where a rollout watches; who has no unit is in no arm. */
export function inArm(choice: Choice, context: JsonRecord, run: Run): Choice {
  const { arms } = choice;
  const bucket = arms && bucketOf(arms.gate, context, run);
  if (arms === undefined || bucket === undefined) return choice;
  return bucket >>> 0 < arms.gate.limit ? arms.canary : arms.baseline;
}
