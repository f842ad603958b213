import { applyChanges, createEvaluator, type Change, type Evaluator, type Snapshot } from '@fledge/evaluation';
import type { FlagTags, Position, TaggedSnapshot } from '@fledge/store';
import { EncodedSnapshot } from './encoded-snapshot.js';
import type { EnvironmentView } from './environment-view.js';
import { prepare, RecentChanges, type PreparedChange } from './recent-changes.js';
import { TaggedView, type Newest } from './tagged-view.js';

/** Beyond this much the whole snapshot is folded at once, so that what waits to be folded stays small. */
const MOST_PENDING = 1_000;
const MOST_PENDING_BYTES = 4_194_304;
/**
 * So many sets of tags are followed whatever they weigh, and more as long as all of them together stay below this weight: those that
 * were looked at last. Another one is made anew when it is asked for, which takes a walk over all flags; so as many as have open
 * streams should find room, or every change makes all of them anew.
 */
const LEAST_VIEWS = 32;
const MOST_VIEW_BYTES = 67_108_864;

/**
 * One environment as this replica serves it. A change costs what the change weighs: it is appended and sent as it is. Only who asks
 * for the whole snapshot makes it be folded and serialised, once per version.
 */
export class LiveEnvironment implements EnvironmentView {
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
  /** The tags of flags at #position. */
  readonly #tags: Map<string, readonly string[]>;
  /** By set of tags, the one looked at last at the end. */
  readonly #views = new Map<string, TaggedView>();
  usedAt = Date.now();

  constructor({ snapshot, tags }: TaggedSnapshot) {
    this.#snapshot = snapshot;
    this.#tags = new Map(Object.entries(tags));
    this.#position = positionOf(snapshot);
  }

  get position(): Position {
    return this.#position;
  }

  /** As a key with these tags sees it (null: whole). Tags are in order and each there once. */
  seenBy(tags: readonly string[] | null): EnvironmentView {
    return tags === null ? this : this.#view(tags);
  }

  /** Takes changes that lead on from the position, with the tags of the flags they bring, and answers them as events. */
  advance(changes: readonly Change[], tags: FlagTags): PreparedChange[] {
    for (const key of changes.flatMap(({ removed }) => removed?.flags ?? [])) this.#tags.delete(key);
    for (const [key, each] of Object.entries(tags)) this.#tags.set(key, each);
    const prepared = changes.map((change) => this.#append(change));
    if (this.#pending.length > MOST_PENDING || this.#pendingBytes > MOST_PENDING_BYTES) this.#fold();
    return prepared;
  }

  /** Lengthens the history into the past by changes that lead from `revision` to the newest, for those who come back from there next. */
  remember(revision: string, changes: readonly PreparedChange[]): void {
    if (changes.at(-1)?.revision === this.#position.revision) this.#recent.lengthen(revision, changes);
  }

  encoded(): EncodedSnapshot {
    this.#encoded ??= new EncodedSnapshot(this.#fold());
    return this.#encoded;
  }

  encodedReset(): EncodedSnapshot {
    this.#reset ??= new EncodedSnapshot({ ...this.#fold(), reset: true });
    return this.#reset;
  }

  evaluator(): Evaluator {
    const snapshot = this.#fold();
    if (this.#evaluator?.snapshot !== snapshot) this.#evaluator = createEvaluator(snapshot, this.#evaluator);
    return this.#evaluator;
  }

  since(revision: string): readonly PreparedChange[] | undefined {
    return revision === this.#position.revision ? [] : this.#recent.since(revision);
  }

  knows(revision: string): boolean {
    return this.since(revision) !== undefined;
  }

  baseOf(revision: string): string {
    return revision;
  }

  #view(tags: readonly string[]): TaggedView {
    const name = JSON.stringify(tags);
    const followed = this.#views.get(name);
    const view = followed ?? new TaggedView(this, tags, this.#newest());
    view.follow(this.#newest());
    this.#views.delete(name);
    this.#views.set(name, view);
    if (followed === undefined) this.#makeRoom();
    return view;
  }

  #makeRoom(): void {
    let bytes = 0;
    for (const view of this.#views.values()) bytes += view.bytes;
    for (const [oldest, view] of this.#views) {
      if (this.#views.size <= LEAST_VIEWS || bytes <= MOST_VIEW_BYTES) return;
      bytes -= view.bytes;
      this.#views.delete(oldest);
    }
  }

  #newest(): Newest {
    return { tags: this.#tags, snapshot: () => this.#fold() };
  }

  #append(change: Change): PreparedChange {
    const prepared = prepare(change);
    this.#recent.append(this.#position.revision, prepared);
    this.#pending.push(change);
    this.#pendingBytes += prepared.event.length;
    this.#position = { version: change.version, revision: change.revision };
    this.#encoded = undefined;
    this.#reset = undefined;
    for (const [name, view] of this.#views) {
      const unseen = view.note(change, prepared.event.length);
      // Nobody looks at it.
      if (unseen.changes > MOST_PENDING || unseen.bytes > MOST_PENDING_BYTES) this.#views.delete(name);
    }
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
