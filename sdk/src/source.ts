import type { FledgeError } from './error.js';

/** Where a source puts what it learns. A source only emits data: whether it is taken is decided on the other side. */
export type Sink = {
  /** The revision of the snapshot in force, for asking only for what is newer. */
  readonly revision: () => string | undefined;
  /** A whole snapshot, not yet looked at; throws when it is none. */
  readonly put: (snapshot: unknown) => void;
  /** A step from one version to another; false when it does not begin at the version in force, or nothing is. */
  readonly patch: (change: unknown) => boolean;
  /** The service says that the given revision is the newest, if it gives one; false when another one is in force. */
  readonly current: (revision: unknown) => boolean;
  /** Contact with the service is lost. */
  readonly lost: (trouble: FledgeError) => void;
};

/** Begins to emit into the sink and goes on until the signal is aborted; never rejects. */
export type Source = (sink: Sink, signal: AbortSignal) => void | Promise<void>;
