import type { Evaluator } from '@fledge/evaluation';
import type { Position } from '@fledge/store';
import type { EncodedSnapshot } from './encoded-snapshot.js';
import type { PreparedChange } from './recent-changes.js';

/** An environment at its newest version as a key sees it: the whole, or the part that the tags of the key open. */
export interface EnvironmentView {
  readonly position: Position;
  /** The newest version, whole. */
  encoded(): EncodedSnapshot;
  /** The same for who holds a version of another history: it is to be taken even if its version is lower. */
  encodedReset(): EncodedSnapshot;
  /** Decides the flags of the newest version; what changes left alone stays compiled. */
  evaluator(): Evaluator;
  /** The changes after a revision of this view, if they are all still in memory. */
  since(revision: string): readonly PreparedChange[] | undefined;
  /** Whether it is certain, without asking, that a revision is in the history of this view. */
  knows(revision: string): boolean;
  /** The environment's own revision behind one of this view; undefined for what is none, such as one of another view. */
  baseOf(revision: string): string | undefined;
}
