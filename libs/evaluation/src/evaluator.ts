import { isMetadata } from './choice.js';
import type { Choice, Mark } from './choice.js';
import type { Context } from './context.js';
import { compileFlag } from './decide.js';
import type { ErrorCode, Evaluation, EvaluationMetadata } from './evaluation.js';
import type { FlagType } from './flag.js';
import { bucketOf } from './gate.js';
import { isNumber, isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { compileCohort } from './membership.js';
import { deferred } from './run.js';
import type { Run, Step, Truth } from './run.js';
import type { Snapshot } from './snapshot.js';

/** Evaluates the flags of one snapshot; made by `createEvaluator`. */
export type Evaluator = {
  readonly snapshot: Snapshot;
  /**
   * What the flag answers to the context at `now` (epoch milliseconds). Never throws; an answer without `value` means
   * the caller's default. With `expected`, a variant of another type is TYPE_MISMATCH. Answers are frozen and shared.
   */
  evaluate(flagKey: string, context: Context, now: number, expected?: FlagType): Evaluation;
};

/** A compiled flag or cohort and what it said in the run that met it last: no run follows a chain twice or in circles. */
type Node<R> = { readonly judge: Step<R>; run: number; isOpen: boolean; result: R | undefined };

/** Compiled documents, forgotten with the documents. */
type Compiled<R> = WeakMap<object, Node<R>>;

/** What the evaluators of successive snapshots share. */
export type Memory = { readonly flags: Compiled<Choice>; readonly cohorts: Compiled<Truth>; runs: number };

/** Finds nodes by key, compiled at their first use: until then a flag costs nothing beside its document. */
function finder<R>(documents: unknown, compiled: Compiled<R>, compile: (document: unknown) => Step<R>) {
  const found = new Map<string, Node<R>>();
  return (key: string): Node<R> | undefined => {
    let node = found.get(key);
    if (node !== undefined) return node;
    const document = own(documents, key);
    if (document === undefined) return undefined;
    node = isRecord(document) ? compiled.get(document) : undefined;
    node ??= { judge: deferred(() => compile(document)), run: 0, isOpen: false, result: undefined };
    if (isRecord(document)) compiled.set(document, node);
    found.set(key, node);
    return node;
  };
}

function visit<R>(node: Node<R> | undefined, context: JsonRecord, run: Run): R | undefined {
  if (node === undefined) return undefined;
  if (node.run !== run.id) {
    if (++run.depth > MAX_DEPTH) throw new RangeError('nested too deep');
    node.run = run.id;
    node.isOpen = true;
    node.result = node.judge(context, run);
    node.isOpen = false;
    run.depth--;
  } else if (node.isOpen) throw new RangeError('a cycle');
  return node.result;
}

/** The metadata of the unit's arm; who has no unit is in no arm. */
function armOf({ gate, metadata }: Mark, context: JsonRecord, run: Run): EvaluationMetadata {
  const bucket = bucketOf(gate, context, run);
  return bucket === undefined ? {} : { ...metadata, arm: bucket >>> 0 < gate.limit ? 'canary' : 'baseline' };
}

/** Prerequisites and cohorts nested deeper than this are broken, so that no document can exhaust the stack. */
export const MAX_DEPTH = 100;

/** What evaluators of one snapshot after another keep; a fresh one knows nothing yet. */
export function createMemory(): Memory {
  return { flags: new WeakMap(), cohorts: new WeakMap(), runs: 0 };
}

/** How a snapshot's documents are evaluated: one part, or a flag, in a run of its own. */
export type Machine = {
  readonly run: Run;
  readonly findFlag: (key: string) => Node<Choice> | undefined;
  /** Begins a run: what is remembered of the last one no longer counts. */
  readonly begin: (now: number) => void;
};

/** Puts a snapshot's flags, cohorts and the memory of what is compiled together. */
export function createMachine(snapshot: unknown, memory: Memory): Machine {
  const findFlag = finder(own(snapshot, 'flags'), memory.flags, compileFlag);
  const findCohort = finder(own(snapshot, 'cohorts'), memory.cohorts, compileCohort);
  const run: Run = {
    id: 0,
    now: 0,
    depth: 0,
    extra: undefined,
    unit: '',
    unitHash: 0,
    inCohort: (key, context) => {
      const node = findCohort(key);
      return node !== undefined && visit(node, context, run);
    },
    variantOf: (key, context) => {
      const chosen = visit(findFlag(key), context, run);
      return chosen?.reason === 'DISABLED' ? undefined : chosen?.variant;
    },
  };
  const begin = (now: number): void => {
    run.id = ++memory.runs;
    run.now = now;
    run.depth = 0;
    run.extra = undefined;
  };
  return { run, findFlag, begin };
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

  const evaluate = (flagKey: string, context: Context, now: number, expected?: FlagType): Evaluation => {
    begin(now);
    const node = findFlag(flagKey);
    if (node === undefined) return error('FLAG_NOT_FOUND', `no flag "${flagKey}"`);
    try {
      const attributes: JsonRecord = isRecord(context) ? context : {};
      const chosen = node.judge(attributes, run);
      const { mark, value } = chosen;
      if (mark !== undefined) run.extra = { ...run.extra, ...armOf(mark, attributes, run) };
      if (expected !== undefined && value !== undefined && typeof value !== expected)
        return error('TYPE_MISMATCH', `of type ${typeof value}, not ${expected}`, chosen.metadata);
      if (run.extra !== undefined) return answerOf(chosen);
      if (chosen.answer === undefined || chosen.version !== version) {
        chosen.version = version;
        chosen.answer = answerOf(chosen);
      }
      return chosen.answer;
    } catch (problem) {
      const metadata = own(own(own(snapshot, 'flags'), flagKey), 'metadata');
      return error('PARSE_ERROR', `cannot be understood: ${String(problem)}`, metadata);
    }
  };

  const evaluator = { snapshot, evaluate };
  memories.set(evaluator, memory);
  return evaluator;
}
