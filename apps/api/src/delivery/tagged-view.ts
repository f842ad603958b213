import { createHash } from 'node:crypto';
import {
  changeOfPart,
  createEvaluator,
  mergeChanges,
  partOf,
  touchesPart,
  type Change,
  type Evaluator,
  type Snapshot,
} from '@fledge/evaluation';
import type { Position } from '@fledge/store';
import { EncodedSnapshot } from './encoded-snapshot.js';
import type { EnvironmentView } from './environment-view.js';
import { prepare, RecentChanges, type PreparedChange } from './recent-changes.js';

/** Roughly what a view takes beside its recent changes: by itself, and for each flag in its records and its serialised forms. */
const BYTES = 65_536;
const BYTES_PER_FLAG = 1_000;

/** The tags of the newest version's flags, and what folds the whole of it. */
export type Newest = { readonly tags: ReadonlyMap<string, readonly string[]>; readonly snapshot: () => Snapshot };

/**
 * The part of an environment that keys with certain tags see. It follows the environment when it is looked at, however many changes
 * there were in between: what it says of them is what they did to the part, be it that a flag came in or went out. Its revisions are
 * the environment's with the view's own ending, so that what one key was told is never taken for what another would be.
 */
export class TaggedView implements EnvironmentView {
  readonly #whole: EnvironmentView;
  readonly #tags: ReadonlySet<string>;
  readonly #ending: string;
  #part: Snapshot;
  #flags: number;
  /** Changes of the environment since #part was made. */
  #unseen: Change[] = [];
  #unseenBytes = 0;
  readonly #recent = new RecentChanges();
  #encoded: EncodedSnapshot | undefined;
  #reset: EncodedSnapshot | undefined;
  #evaluator: Evaluator | undefined;

  constructor(whole: EnvironmentView, tags: readonly string[], newest: Newest) {
    this.#whole = whole;
    this.#tags = new Set(tags);
    this.#ending = `.${createHash('sha256').update(JSON.stringify(tags)).digest('base64url').slice(0, 8)}`;
    this.#part = this.#partOf(newest);
    this.#flags = Object.keys(this.#part.flags).length;
  }

  get position(): Position {
    return { version: this.#part.version, revision: this.#part.revision ?? '' };
  }

  /** Roughly what it takes of memory beside what it shares with the whole. */
  get bytes(): number {
    return BYTES + this.#flags * BYTES_PER_FLAG + this.#recent.bytes;
  }

  /** Hears of a change of the environment; answers how many bytes of changes wait to be looked at, and how many changes. */
  note(change: Change, bytes: number): { readonly changes: number; readonly bytes: number } {
    this.#unseen.push(change);
    this.#unseenBytes += bytes;
    return { changes: this.#unseen.length, bytes: this.#unseenBytes };
  }

  /** Catches up with the environment, which stands at `newest` after all that was noted. What lies outside costs only a look. */
  follow({ tags, snapshot }: Newest): void {
    const change = mergeChanges(this.#unseen);
    if (change === undefined) return;
    const before = this.#part;
    const { version, revision } = change;
    const isTouched = touchesPart(before, change, (key) => this.#has(tags.get(key)));
    this.#part = isTouched
      ? this.#partOf({ tags, snapshot })
      : { ...before, version, revision: `${revision}${this.#ending}` };
    if (isTouched) this.#flags = Object.keys(this.#part.flags).length;
    this.#recent.append(before.revision ?? '', prepare(changeOfPart(before, this.#part, change)));
    this.#unseen = [];
    this.#unseenBytes = 0;
    this.#encoded = undefined;
    this.#reset = undefined;
  }

  encoded(): EncodedSnapshot {
    this.#encoded ??= new EncodedSnapshot(this.#part);
    return this.#encoded;
  }

  encodedReset(): EncodedSnapshot {
    this.#reset ??= new EncodedSnapshot({ ...this.#part, reset: true });
    return this.#reset;
  }

  evaluator(): Evaluator {
    if (this.#evaluator?.snapshot !== this.#part) this.#evaluator = createEvaluator(this.#part, this.#evaluator);
    return this.#evaluator;
  }

  since(revision: string): readonly PreparedChange[] | undefined {
    return revision === this.#part.revision ? [] : this.#recent.since(revision);
  }

  knows(revision: string): boolean {
    const base = this.baseOf(revision);
    return base !== undefined && this.#whole.knows(base);
  }

  baseOf(revision: string): string | undefined {
    return revision.endsWith(this.#ending) ? revision.slice(0, -this.#ending.length) : undefined;
  }

  #partOf({ tags, snapshot }: Newest): Snapshot {
    const whole = snapshot();
    const keys: string[] = [];
    for (const [key, each] of tags) if (this.#has(each)) keys.push(key);
    return { ...partOf(whole, keys), revision: `${whole.revision ?? ''}${this.#ending}` };
  }

  #has(tags: readonly string[] = []): boolean {
    return tags.some((tag) => this.#tags.has(tag));
  }
}
