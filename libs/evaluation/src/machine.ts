import type { Choice } from './choice.js';
import { compileFlag } from './decide.js';
import { isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { compileCohort } from './membership.js';
import { deferred, resolve } from './run.js';
import type { Now, Part, Run, Truth } from './run.js';

/** A compiled flag or cohort and what it said in the run that met it last: no run follows a chain twice or in circles. */
export type Node<R> = { readonly part: Part<R>; run: number; isOpen: boolean; result: R | undefined };

/** Compiled documents, forgotten with the documents. */
type Compiled<R> = WeakMap<object, Node<R>>;

/** What the evaluators of successive snapshots share. */
export type Memory = { readonly flags: Compiled<Choice>; readonly cohorts: Compiled<Truth>; runs: number };

/** What evaluators of one snapshot after another keep; a fresh one knows nothing yet. */
export function createMemory(): Memory {
  return { flags: new WeakMap(), cohorts: new WeakMap(), runs: 0 };
}

/** Finds nodes by key, compiled at their first use: until then a flag costs nothing beside its document. */
function finder<R>(documents: unknown, compiled: Compiled<R>, compile: (document: unknown) => Part<R>) {
  const found = new Map<string, Node<R>>();
  return (key: string): Node<R> | undefined => {
    let node = found.get(key);
    if (node !== undefined) return node;
    const document = own(documents, key);
    if (document === undefined) return undefined;
    node = isRecord(document) ? compiled.get(document) : undefined;
    node ??= { part: deferred(() => compile(document)), run: 0, isOpen: false, result: undefined };
    if (isRecord(document)) compiled.set(document, node);
    found.set(key, node);
    return node;
  };
}

/** Prerequisites and cohorts nested deeper than this are broken, so that no document can exhaust the stack. */
export const MAX_DEPTH = 100;

function visit<R>(node: Node<R> | undefined, context: JsonRecord, run: Run): R | undefined {
  if (node === undefined) return undefined;
  if (node.run !== run.id) {
    if (++run.depth > MAX_DEPTH) throw new RangeError('nested too deep');
    node.run = run.id;
    node.isOpen = true;
    node.result = resolve(node.part, context, run);
    node.isOpen = false;
    run.depth--;
  } else if (node.isOpen) throw new RangeError('a cycle');
  return node.result;
}

/** How a snapshot's documents are evaluated: one part, or a flag, in a run of its own. */
export type Machine = {
  readonly run: Run;
  readonly findFlag: (key: string) => Node<Choice> | undefined;
  /** Begins a run: what is remembered of the last one no longer counts. */
  readonly begin: (now: Now) => void;
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
  const begin = (now: Now): void => {
    run.id = ++memory.runs;
    run.now = now;
    run.depth = 0;
    run.extra = undefined;
  };
  return { run, findFlag, begin };
}
