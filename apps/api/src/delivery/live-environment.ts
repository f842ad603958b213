import { applyChanges, createEvaluator, type Change, type Evaluator, type Snapshot } from '@fledge/evaluation';
import type { Position } from '@fledge/store';
import { EncodedSnapshot } from './encoded-snapshot.js';
import { prepare, RecentChanges, type PreparedChange } from './recent-changes.js';

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
  /** The last one leads to #position. */
  readonly #recent = new RecentChanges();
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
    return prepared;
  }

  /** Lengthens the history into the past by changes that lead from `revision` to the newest, for those who come back from there next. */
  remember(revision: string, changes: readonly PreparedChange[]): void {
    if (changes.at(-1)?.revision === this.#position.revision) this.#recent.lengthen(revision, changes);
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
    return revision === this.#position.revision ? [] : this.#recent.since(revision);
  }

  #append(change: Change): PreparedChange {
    const prepared = prepare(change);
    this.#recent.append(this.#position.revision, prepared);
    this.#pending.push(change);
    this.#pendingBytes += prepared.event.length;
    this.#position = { version: change.version, revision: change.revision };
    this.#encoded = undefined;
    this.#reset = undefined;
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
}

const positionOf = ({ version, revision }: Snapshot): Position => ({ version, revision: revision ?? '' });
