import { applyChanges, createEvaluator, type Change, type Evaluator, type Snapshot } from '@fledge/evaluation';
import type { Position } from '@fledge/store';
import { EncodedSnapshot } from './encoded-snapshot.js';
import { sseEvent } from './serialize.js';

/** A change as it goes over the wire, prepared once for every stream. */
export type PreparedChange = { readonly revision: string; readonly event: Buffer };

export const prepare = (change: Change): PreparedChange => ({
  revision: change.revision,
  event: sseEvent('patch', change.revision, JSON.stringify(change)),
});

/** How much of the past is kept in memory to bring a reconnecting stream up to date without asking the database. */
const HISTORY_CHANGES = 200;
const HISTORY_BYTES = 1_048_576;
/** Beyond this much the whole snapshot is folded at once, so that what waits to be folded stays small. */
const MOST_PENDING = 1_000;
const MOST_PENDING_BYTES = 4_194_304;

/**
 * One environment as this replica serves it. A change costs what the change weighs: it is appended and sent as it is. Only who asks
 * for the whole snapshot makes it be folded and serialised, once per version.
 */
export class LiveEnvironment {
  #snapshot: Snapshot;
  /** Changes that lead from #snapshot to #position; folded when the whole is asked for. */
  #pending: Change[] = [];
  #pendingBytes = 0;
  #position: Position;
  #encoded: EncodedSnapshot | undefined;
  #reset: EncodedSnapshot | undefined;
  #evaluator: Evaluator | undefined;
  /** The newest changes without a gap; the last one leads to #position. */
  #history: (PreparedChange & { readonly from: string })[] = [];
  #historyBytes = 0;
  usedAt = Date.now();

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.#position = positionOf(snapshot);
  }

  get position(): Position {
    return this.#position;
  }

  /** Takes changes that lead on from the position, and answers them as events. */
  advance(changes: readonly Change[]): PreparedChange[] {
    const prepared = changes.map((change) => this.#append(change));
    if (this.#pending.length > MOST_PENDING || this.#pendingBytes > MOST_PENDING_BYTES) this.#fold();
    this.#trim();
    return prepared;
  }

  /** Lengthens the history into the past by changes that lead from `revision` to the newest, for those who come back from there next. */
  remember(revision: string, changes: readonly PreparedChange[]): void {
    if (changes.at(-1)?.revision !== this.#position.revision || changes.length <= this.#history.length) return;
    this.#history = changes.map((change, index) => ({ ...change, from: changes[index - 1]?.revision ?? revision }));
    this.#historyBytes = changes.reduce((sum, { event }) => sum + event.length, 0);
    this.#trim();
  }

  /** The newest version, whole. */
  encoded(): EncodedSnapshot {
    this.#encoded ??= new EncodedSnapshot(this.#fold());
    return this.#encoded;
  }

  /** The same for who holds a version of another history: it is to be taken even if its version is lower. */
  encodedReset(): EncodedSnapshot {
    this.#reset ??= new EncodedSnapshot({ ...this.#fold(), reset: true });
    return this.#reset;
  }

  /** Decides the flags of the newest version; what changes left alone stays compiled. */
  evaluator(): Evaluator {
    const snapshot = this.#fold();
    if (this.#evaluator?.snapshot !== snapshot) this.#evaluator = createEvaluator(snapshot, this.#evaluator);
    return this.#evaluator;
  }

  /** The changes after a revision, if they are all still in memory. */
  since(revision: string): readonly PreparedChange[] | undefined {
    if (revision === this.#position.revision) return [];
    const index = this.#history.findIndex(({ from }) => from === revision);
    return index === -1 ? undefined : this.#history.slice(index);
  }

  #append(change: Change): PreparedChange {
    const prepared = { ...prepare(change), from: this.#position.revision };
    this.#pending.push(change);
    this.#pendingBytes += prepared.event.length;
    this.#position = { version: change.version, revision: change.revision };
    this.#encoded = undefined;
    this.#reset = undefined;
    this.#history.push(prepared);
    this.#historyBytes += prepared.event.length;
    return prepared;
  }

  #fold(): Snapshot {
    if (this.#pending.length === 0) return this.#snapshot;
    const folded = applyChanges(this.#snapshot, this.#pending);
    if (folded === undefined)
      throw new Error(`The changes after version ${this.#snapshot.version} do not follow on each other.`);
    this.#snapshot = folded;
    this.#pending = [];
    this.#pendingBytes = 0;
    return folded;
  }

  #trim(): void {
    while (this.#history.length > HISTORY_CHANGES || this.#historyBytes > HISTORY_BYTES) {
      this.#historyBytes -= this.#history.shift()?.event.length ?? 0;
    }
  }
}

const positionOf = ({ version, revision }: Snapshot): Position => ({ version, revision: revision ?? '' });
