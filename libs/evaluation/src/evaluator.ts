import type { Choice } from './choice.js';
import { metadataOf } from './choice.js';
import { compileFlag } from './compile.js';
import type { Context } from './context.js';
import type { ErrorCode, Evaluation, EvaluationMetadata } from './evaluation.js';
import type { FlagType } from './flag.js';
import { isRecord, own } from './json.js';
import { compileCohort } from './membership.js';
import { MAX_DEPTH } from './run.js';
import type { Run } from './run.js';
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

/** A compiled flag or cohort, and what it said in the run that met it last, so that a run follows no chain twice. */
type Node<T> = { readonly judge: (run: Run) => T | undefined; run: number; open: boolean; result: T | undefined };

/** The compiled documents of one kind, forgotten with the documents. */
type Compiled<T> = {
  readonly kind: 'flags' | 'cohorts';
  readonly nodes: WeakMap<object, Node<T>>;
  readonly compile: (document: unknown) => Node<T>['judge'];
};

/** What the evaluators of successive snapshots share. */
type Memory = { readonly flags: Compiled<Choice>; readonly cohorts: Compiled<boolean>; runs: number };

const NO_CONTEXT = {};

function enter<T>(node: Node<T>, run: Run): T | undefined {
  node.run = run.id;
  node.open = true;
  node.result = undefined;
  const result = node.judge(run);
  node.open = false;
  node.result = result;
  return result;
}

function visit<T>(node: Node<T>, run: Run): T | undefined {
  if (node.run === run.id) {
    if (node.open) run.broken ??= 'a flag or cohort leads back to itself';
    return node.result;
  }
  if (run.depth >= MAX_DEPTH) {
    run.broken ??= `flags and cohorts are nested deeper than ${MAX_DEPTH}`;
    return undefined;
  }
  run.depth++;
  const result = enter(node, run);
  run.depth--;
  return result;
}

function load<T>(document: unknown, { nodes, compile }: Compiled<T>): Node<T> {
  const known = isRecord(document) ? nodes.get(document) : undefined;
  if (known !== undefined) return known;
  const node: Node<T> = { judge: compile(document), run: 0, open: false, result: undefined };
  if (isRecord(document)) nodes.set(document, node);
  return node;
}

/** The node of a key, compiled at its first use: until then a flag costs nothing beside its document. */
function find<T>(
  loaded: Map<string, Node<T>>,
  compiled: Compiled<T>,
  snapshot: unknown,
  key: string,
): Node<T> | undefined {
  const known = loaded.get(key);
  if (known !== undefined) return known;
  const document = own(own(snapshot, compiled.kind), key);
  if (document === undefined) return undefined;
  const node = load(document, compiled);
  loaded.set(key, node);
  return node;
}

class SnapshotEvaluator implements Evaluator {
  readonly snapshot: Snapshot;
  readonly #version: EvaluationMetadata;
  readonly #memory: Memory;
  readonly #flags = new Map<string, Node<Choice>>();
  readonly #cohorts = new Map<string, Node<boolean>>();
  readonly #run: Run;

  constructor(snapshot: Snapshot, previous: Evaluator | undefined) {
    const version = own(snapshot, 'version');
    this.snapshot = snapshot;
    this.#version = typeof version === 'number' ? { version } : {};
    this.#memory =
      previous instanceof SnapshotEvaluator
        ? previous.#memory
        : {
            flags: { kind: 'flags', nodes: new WeakMap(), compile: compileFlag },
            cohorts: { kind: 'cohorts', nodes: new WeakMap(), compile: compileCohort },
            runs: 0,
          };
    this.#run = {
      id: 0,
      context: NO_CONTEXT,
      now: 0,
      depth: 0,
      broken: undefined,
      unitMissing: undefined,
      prerequisiteFailed: undefined,
      unit: '',
      unitHash: 0,
      inCohort: (key) => {
        const node = find(this.#cohorts, this.#memory.cohorts, snapshot, key);
        return node === undefined ? false : visit(node, this.#run);
      },
      variantOf: (key) => {
        const node = this.#flag(key);
        const chosen = node === undefined ? undefined : visit(node, this.#run);
        this.#run.broken ??= chosen?.broken;
        return chosen?.reason === 'DISABLED' ? undefined : chosen?.variant;
      },
    };
  }

  evaluate(flagKey: string, context: Context, now: number, expected?: FlagType): Evaluation {
    const node = this.#flag(flagKey);
    if (node === undefined) return this.#error('FLAG_NOT_FOUND', `there is no flag "${flagKey}"`);
    const run = this.#run;
    run.id = ++this.#memory.runs;
    run.context = isRecord(context) ? context : NO_CONTEXT;
    run.now = now;
    run.depth = 0;
    run.broken = undefined;
    run.unitMissing = undefined;
    run.prerequisiteFailed = undefined;
    const chosen = enter(node, run);
    const broken = run.broken ?? chosen?.broken;
    if (chosen === undefined || broken !== undefined)
      return this.#error('PARSE_ERROR', broken ?? '', metadataOf(own(this.snapshot.flags, flagKey)));
    if (expected !== undefined && chosen.value !== undefined && typeof chosen.value !== expected) {
      const message = `the flag is of type ${typeof chosen.value}, ${expected} was expected`;
      return this.#error('TYPE_MISMATCH', message, chosen.metadata);
    }
    if (run.unitMissing !== undefined || run.prerequisiteFailed !== undefined) return this.#answer(chosen);
    if (chosen.answer?.metadata.version !== this.#version.version) chosen.answer = undefined;
    return (chosen.answer ??= this.#answer(chosen));
  }

  #flag(key: string): Node<Choice> | undefined {
    return find(this.#flags, this.#memory.flags, this.snapshot, key);
  }

  #answer({ value, variant, reason, metadata }: Choice): Evaluation {
    const { unitMissing, prerequisiteFailed } = this.#run;
    return Object.freeze({
      ...(value !== undefined && { value }),
      ...(variant !== undefined && { variant }),
      reason,
      metadata: Object.freeze({
        ...metadata,
        ...this.#version,
        ...(unitMissing !== undefined && { unitMissing }),
        ...(prerequisiteFailed !== undefined && { prerequisiteFailed }),
      }),
    });
  }

  #error(errorCode: ErrorCode, errorMessage: string, metadata?: EvaluationMetadata): Evaluation {
    return Object.freeze({
      reason: 'ERROR',
      errorCode,
      errorMessage,
      metadata: Object.freeze({ ...metadata, ...this.#version }),
    });
  }
}

/**
 * An evaluator of the snapshot. What `previous` compiled is used again for documents that are the identical objects, so
 * that a change recompiles what it changed; documents must therefore never be modified in place.
 */
export function createEvaluator(snapshot: Snapshot, previous?: Evaluator): Evaluator {
  return new SnapshotEvaluator(snapshot, previous);
}
