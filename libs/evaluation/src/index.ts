export type { Cohort, CohortRule } from './cohort.js';
export type { Context, JsonValue } from './context.js';
export type { ErrorCode, Evaluation, EvaluationMetadata, Reason } from './evaluation.js';
export type * from './flag.js';
export { OPERATORS } from './flag.js';
export type { Change, MembersChange, Snapshot } from './snapshot.js';
export type { DocumentLimits, Problem, Validation } from './problem.js';
export { DEFAULT_DOCUMENT_LIMITS } from './problem.js';

export { evaluate } from './evaluate.js';
export { createEvaluator } from './evaluator.js';
export type { Evaluator } from './evaluator.js';
export { createFlagList } from './flag-list.js';
export type { FlagList } from './flag-list.js';

export { applyChange, applyChanges } from './change.js';
export { mergeChanges } from './merge-changes.js';
export { changeOfPart, partOf, touchesPart } from './part.js';
export { changedFlags } from './changed-flags.js';
export { cohortsOf, cohortsOfCohort, prerequisitesOf, reachableCohorts, variantsNamed } from './references.js';

export { bucket, group, parts, threshold, unitOf, unitText } from './bucket.js';
export { murmur3, fmix32 } from './murmur3.js';
export { exponential, logTable } from './split.js';
export { KEY_PATTERN, isKey } from './key.js';
export { patternProblem } from './pattern-problem.js';
export { validateCohort, validateMembers } from './validate-cohort.js';
export { below, checkBoolean, checkList, checkObject, expecting, refuse, unexpected } from './checks.js';
export type { Check, Report } from './checks.js';
export { isRecord, own } from './json.js';
export type { JsonRecord } from './json.js';
export { validateDefinition, validateFlag } from './validate-flag.js';
export type { Surroundings } from './validate-flag.js';
export { LONGEST_TEXT, validateJson } from './validate-json.js';

export { explain } from './explain.js';
export type { Explanation } from './explain.js';
export type * from './trace.js';
export { traceText } from './trace-text.js';

export { describeChanges } from './describe-changes.js';
export { whoMoves } from './who-moves.js';
export type { RuleMoves, WhoMoves } from './who-moves.js';
export { whoMovesText } from './who-moves-text.js';
export type { LighterEdit } from './lighter-edit.js';
export type { Move, Movement, Share } from './movement.js';
export type { Served } from './sequence.js';
