import type { Choice } from './choice.js';
import { metadataOf } from './choice.js';
import { compileFlag, decide } from './compile.js';
import type { CompiledFlag } from './compile.js';
import type { Context } from './context.js';
import type { ErrorCode, Evaluation, EvaluationMetadata } from './evaluation.js';
import type { FlagType } from './flag.js';
import { isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { compileCohort } from './membership.js';
import { MAX_DEPTH } from './run.js';
import type { Run, Test } from './run.js';
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
type Node<C, R> = { readonly compiled: C; run: number; open: boolean; result: R | undefined };

/** The compiled documents of one kind, forgotten with the documents. */
type Kind<C, R> = {
  readonly documents: 'flags' | 'cohorts';
  readonly known: WeakMap<object, Node<C, R>>;
  readonly compile: (document: unknown) => C;
};

/** What the evaluators of successive snapshots share. */
type Memory = { readonly flags: Kind<CompiledFlag, Choice>; readonly cohorts: Kind<Test, boolean>; runs: number };

const NO_CONTEXT = {};

function createMemory(): Memory {
  return {
    flags: { documents: 'flags', known: new WeakMap(), compile: compileFlag },
    cohorts: { documents: 'cohorts', known: new WeakMap(), compile: compileCohort },
    runs: 0,
  };
}

function visit<C, R>(
  node: Node<C, R>,
  context: JsonRecord,
  run: Run,
  judge: (compiled: C, context: JsonRecord, run: Run) => R | undefined,
): R | undefined {
  if (node.run === run.id) {
    if (node.open) run.broken ??= 'a flag or cohort leads back to itself';
    return node.result;
  }
  if (run.depth >= MAX_DEPTH) {
    run.broken ??= `flags and cohorts are nested deeper than ${MAX_DEPTH}`;
    return undefined;
  }
  run.depth++;
  node.run = run.id;
  node.open = true;
  node.result = judge(node.compiled, context, run);
  node.open = false;
  run.depth--;
  return node.result;
}

function load<C, R>(document: unknown, { known, compile }: Kind<C, R>): Node<C, R> {
  const before = isRecord(document) ? known.get(document) : undefined;
  if (before !== undefined) return before;
  const node = { compiled: compile(document), run: 0, open: false, result: undefined };
  if (isRecord(document)) known.set(document, node);
  return node;
}

type Nodes<C, R> = Map<string, Node<C, R>>;

/** The node of a key, compiled at its first use: until then a flag costs nothing beside its document. */
function find<C, R>(nodes: Nodes<C, R>, kind: Kind<C, R>, snapshot: unknown, key: string): Node<C, R> | undefined {
  const known = nodes.get(key);
  if (known !== undefined) return known;
  const document = own(own(snapshot, kind.documents), key);
  if (document === undefined) return undefined;
  const node = load(document, kind);
  nodes.set(key, node);
  return node;
}

const isMember = (test: Test, context: JsonRecord, run: Run): boolean | undefined => test(context, run);

class SnapshotEvaluator implements Evaluator {
  readonly snapshot: Snapshot;
  readonly #version: number | undefined;
  readonly #memory: Memory;
  readonly #flags: Nodes<CompiledFlag, Choice> = new Map();
  readonly #cohorts: Nodes<Test, boolean> = new Map();
  readonly #run: Run;

  constructor(snapshot: Snapshot, previous: Evaluator | undefined) {
    const version = own(snapshot, 'version');
    this.snapshot = snapshot;
    this.#version = typeof version === 'number' ? version : undefined;
    this.#memory = previous instanceof SnapshotEvaluator ? previous.#memory : createMemory();
    this.#run = {
      id: 0,
      now: 0,
      depth: 0,
      broken: undefined,
      unitMissing: undefined,
      prerequisiteFailed: undefined,
      unit: '',
      unitHash: 0,
      inCohort: (key, context) => {
        const node = find(this.#cohorts, this.#memory.cohorts, snapshot, key);
        return node === undefined ? false : visit(node, context, this.#run, isMember);
      },
      variantOf: (key, context) => {
        const node = this.#flag(key);
        const chosen = node === undefined ? undefined : visit(node, context, this.#run, decide);
        this.#run.broken ??= chosen?.broken;
        return chosen?.reason === 'DISABLED' ? undefined : chosen?.variant;
      },
    };
  }

  evaluate(flagKey: string, context: Context, now: number, expected?: FlagType): Evaluation {
    const run = this.#run;
    run.id = ++this.#memory.runs;
    run.now = now;
    const node = this.#flag(flagKey);
    if (node === undefined) return this.#error('FLAG_NOT_FOUND', `there is no flag "${flagKey}"`);
    const { compiled } = node;
    const attributes = isRecord(context) ? context : NO_CONTEXT;
    // Without prerequisites nothing can lead back to the flag, nor ask for it twice.
    const chosen =
      compiled.prerequisites.length === 0
        ? decide(compiled, attributes, run)
        : (visit(node, attributes, run, decide) ?? compiled.none);
    const isPlain = run.broken === undefined && run.unitMissing === undefined && run.prerequisiteFailed === undefined;
    if (isPlain && chosen.version === this.#version && (expected === undefined || expected === chosen.type))
      return chosen.answer ?? this.#answer(chosen);
    const answer = this.#judge(flagKey, chosen, expected);
    if (isPlain && answer.errorCode === undefined) {
      chosen.version = this.#version;
      chosen.answer = answer;
    }
    run.broken = undefined;
    run.unitMissing = undefined;
    run.prerequisiteFailed = undefined;
    return answer;
  }

  #judge(flagKey: string, chosen: Choice, expected: FlagType | undefined): Evaluation {
    const broken = this.#run.broken ?? chosen.broken;
    if (broken !== undefined)
      return this.#error('PARSE_ERROR', broken, metadataOf(own(own(this.snapshot, 'flags'), flagKey)));
    if (expected === undefined || chosen.type === undefined || expected === chosen.type) return this.#answer(chosen);
    return this.#error(
      'TYPE_MISMATCH',
      `the flag is of type ${chosen.type}, ${expected} was expected`,
      chosen.metadata,
    );
  }

  #flag(key: string): Node<CompiledFlag, Choice> | undefined {
    return find(this.#flags, this.#memory.flags, this.snapshot, key);
  }

  #metadata(metadata: EvaluationMetadata | undefined): EvaluationMetadata {
    const { unitMissing, prerequisiteFailed } = this.#run;
    return Object.freeze({
      ...metadata,
      ...(this.#version !== undefined && { version: this.#version }),
      ...(unitMissing !== undefined && { unitMissing }),
      ...(prerequisiteFailed !== undefined && { prerequisiteFailed }),
    });
  }

  #answer({ value, variant, reason, metadata }: Choice): Evaluation {
    const all = this.#metadata(metadata);
    if (value === undefined || variant === undefined) return Object.freeze({ reason, metadata: all });
    return Object.freeze({ value, variant, reason, metadata: all });
  }

  #error(errorCode: ErrorCode, errorMessage: string, metadata?: EvaluationMetadata): Evaluation {
    return Object.freeze({ reason: 'ERROR', errorCode, errorMessage, metadata: this.#metadata(metadata) });
  }
}

/**
 * An evaluator of the snapshot. What `previous` compiled is used again for documents that are the identical objects, so
 * that a change recompiles what it changed; documents must therefore never be modified in place.
 */
export function createEvaluator(snapshot: Snapshot, previous?: Evaluator): Evaluator {
  return new SnapshotEvaluator(snapshot, previous);
}
