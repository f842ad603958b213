import { isMetadata } from './choice.js';
import type { Choice } from './choice.js';
import type { Context } from './context.js';
import type { ErrorCode, Evaluation, EvaluationMetadata } from './evaluation.js';
import type { FlagType } from './flag.js';
import { bucketOf } from './gate.js';
import { isNumber, isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { createMachine, createMemory } from './machine.js';
import type { Memory, Node } from './machine.js';
import { resolve } from './run.js';
import type { Now, Run } from './run.js';
import type { Snapshot } from './snapshot.js';

/** Evaluates the flags of one snapshot; made by `createEvaluator`. */
export type Evaluator = {
  readonly snapshot: Snapshot;
  /**
   * What the flag answers to the context at `now` (epoch milliseconds, or a clock that is read at most once). Never
   * throws; an answer without `value` means the caller's default. With `expected`, a variant of another type is
   * TYPE_MISMATCH. Answers are frozen and shared.
   */
  evaluate(flagKey: string, context: Context, now: Now, expected?: FlagType): Evaluation;
  /** What every flag of the snapshot answers, by key and at one time, in a record without a prototype. Never throws. */
  evaluateAll(context: Context, now: Now): Record<string, Evaluation>;
};

/** The choice as the unit's arm makes it, where a rollout watches; who has no unit is in no arm. */
function inArm(choice: Choice, context: JsonRecord, run: Run): Choice {
  const { arms } = choice;
  const bucket = arms && bucketOf(arms.gate, context, run);
  if (arms === undefined || bucket === undefined) return choice;
  return bucket >>> 0 < arms.gate.limit ? arms.canary : arms.baseline;
}

const memories = new WeakMap<Evaluator, Memory>();

/**
 * An evaluator of the snapshot. What `previous` compiled is used again for documents that are the identical objects, so
 * that a change recompiles what it changed; documents must therefore never be modified in place.
 */
export function createEvaluator(snapshot: Snapshot, previous?: Evaluator): Evaluator {
  const version = own(snapshot, 'version');
  const versioned: EvaluationMetadata = isNumber(version) ? { version } : {};
  const memory = (previous && memories.get(previous)) ?? createMemory();
  const { run, findFlag, begin } = createMachine(snapshot, memory);

  const metadataWith = (metadata?: EvaluationMetadata): EvaluationMetadata =>
    Object.freeze({ ...metadata, ...versioned, ...run.extra });

  const answerOf = ({ value, variant, reason, metadata }: Choice): Evaluation => {
    const said = metadataWith(metadata);
    if (value === undefined || variant === undefined) return Object.freeze({ reason, metadata: said });
    return Object.freeze({ value, variant, reason, metadata: said });
  };

  const error = (errorCode: ErrorCode, errorMessage: string, metadata?: unknown): Evaluation =>
    Object.freeze({
      reason: 'ERROR',
      errorCode,
      errorMessage,
      metadata: metadataWith(isMetadata(metadata) ? metadata : undefined),
    });

  /**
   * The hot path. Its invariants: nothing is allocated unless the answer says something of this evaluation alone (a unit
   * missing, a failed prerequisite); documents are not read, only what was compiled of them; a choice's answer is made
   * once for a version of the snapshot, and once for each arm where a rollout watches.
   */
  const answer = (key: string, node: Node<Choice>, context: Context, now: Now, expected?: FlagType): Evaluation => {
    begin(now);
    try {
      const attributes: JsonRecord = isRecord(context) ? context : {};
      const chosen = inArm(resolve(node.part, attributes, run), attributes, run);
      const { value } = chosen;
      if (expected !== undefined && value !== undefined && typeof value !== expected)
        return error('TYPE_MISMATCH', `of type ${typeof value}, not ${expected}`, chosen.metadata);
      if (run.extra !== undefined) return answerOf(chosen);
      if (chosen.answer === undefined || chosen.version !== version) {
        chosen.version = version;
        chosen.answer = answerOf(chosen);
      }
      return chosen.answer;
    } catch (problem) {
      const metadata = own(own(own(snapshot, 'flags'), key), 'metadata');
      return error('PARSE_ERROR', `cannot be understood: ${String(problem)}`, metadata);
    }
  };

  const evaluate = (key: string, context: Context, now: Now, expected?: FlagType): Evaluation => {
    const node = findFlag(key);
    if (node !== undefined) return answer(key, node, context, now, expected);
    begin(now);
    return error('FLAG_NOT_FOUND', `no flag "${key}"`);
  };

  /** Every flag, and what it answered last: going through them is faster than looking a thousand keys up again. */
  let flags: { readonly key: string; readonly node: Node<Choice>; last: Evaluation | undefined }[] | undefined;

  const evaluateAll = (context: Context, now: Now): Record<string, Evaluation> => {
    flags ??= Object.keys(own(snapshot, 'flags') ?? {}).flatMap((key) => {
      const node = findFlag(key);
      return node === undefined ? [] : [{ key, node, last: undefined }];
    });
    run.now = now;
    // First all answers and then the record: each fits the processor's cache, the two together do not.
    for (const flag of flags) flag.last = answer(flag.key, flag.node, context, run.now);
    // Many keys make any object a dictionary. One without a prototype begins as one, and is filled seven times as fast.
    const all: Record<string, Evaluation> = Object.create(null);
    for (const { key, last } of flags) if (last !== undefined) all[key] = last;
    return all;
  };

  const evaluator = { snapshot, evaluate, evaluateAll };
  memories.set(evaluator, memory);
  return evaluator;
}
