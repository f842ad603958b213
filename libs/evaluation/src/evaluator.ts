import { answerOf, broken, failure, inArm } from './answer.js';
import type { Choice } from './choice.js';
import type { Context } from './context.js';
import type { Evaluation, EvaluationMetadata } from './evaluation.js';
import type { FlagType } from './flag.js';
import { isNumber, isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { createMachine, createMemory } from './machine.js';
import type { Memory, Node } from './machine.js';
import { resolve } from './run.js';
import type { Now } from './run.js';
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

const memories = new WeakMap<Evaluator, Memory>();

/** What the evaluator compiled, for others that decide its snapshot or the next one. */
export const memoryOf = (evaluator?: Evaluator): Memory => (evaluator && memories.get(evaluator)) ?? createMemory();

/**
 * An evaluator of the snapshot. What `previous` compiled is used again for documents that are the identical objects, so
 * that a change recompiles what it changed; documents must therefore never be modified in place.
 */
export function createEvaluator(snapshot: Snapshot, previous?: Evaluator): Evaluator {
  const version = own(snapshot, 'version');
  const versioned: EvaluationMetadata = isNumber(version) ? { version } : {};
  const memory = memoryOf(previous);
  const { run, findFlag, begin } = createMachine(snapshot, memory);

  const said = (): EvaluationMetadata => ({ ...versioned, ...run.extra });

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
        return failure('TYPE_MISMATCH', `of type ${typeof value}, not ${expected}`, chosen.metadata, said());
      if (run.extra !== undefined) return answerOf(chosen, said());
      if (chosen.answer === undefined || chosen.version !== version) {
        chosen.version = version;
        chosen.answer = answerOf(chosen, said());
      }
      return chosen.answer;
    } catch (problem) {
      return broken(own(own(snapshot, 'flags'), key), problem, said());
    }
  };

  const evaluate = (key: string, context: Context, now: Now, expected?: FlagType): Evaluation => {
    const node = findFlag(key);
    if (node !== undefined) return answer(key, node, context, now, expected);
    begin(now);
    return failure('FLAG_NOT_FOUND', `no flag "${key}"`, {}, said());
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
