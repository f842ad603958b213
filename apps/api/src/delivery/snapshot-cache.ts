import { setTimeout as sleep } from 'node:timers/promises';
import { DomainError, type Hint, type Position, type SnapshotStore } from '@fledge/store';
import type { Logger } from '../log.js';
import type { EncodedSnapshot } from './encoded-snapshot.js';
import type { EnvironmentView } from './environment-view.js';
import { LiveEnvironment } from './live-environment.js';
import { prepare, type PreparedChange } from './recent-changes.js';

/** What happened to an environment: it went on, it began a new history, or it is gone. */
export type EnvironmentEvent =
  | { readonly kind: 'changes'; readonly changes: readonly PreparedChange[] }
  | { readonly kind: 'reset' }
  | { readonly kind: 'gone' };

/** What leads on from a revision. */
export type Sequel = readonly PreparedChange[] | EncodedSnapshot;

export type EnvironmentListener = (environmentId: number, event: EnvironmentEvent) => void;

/** How long a client that could be answered with what is held waits for a look at the log. An SDK gives a stream 10 s to begin. */
const PATIENCE_MS = 3_000;
/** An environment nobody has asked for in this time is forgotten. */
const IDLE_MS = 30 * 60_000;

/**
 * The environments in use, each followed from the log: loaded when first asked for, then led on by the changes it missed; loaded anew
 * when the log does not lead on from the revision held (a restored backup, a lossy failover).
 */
export class SnapshotCache {
  readonly #store: SnapshotStore;
  readonly #log: Logger;
  readonly #environments = new Map<number, LiveEnvironment>();
  /** One refresh per environment at a time; a hint that comes meanwhile makes it look once more. */
  readonly #refreshing = new Map<number, { running: Promise<LiveEnvironment | undefined>; again: boolean }>();
  readonly #replaying = new Map<string, Promise<readonly PreparedChange[] | undefined>>();
  readonly #listeners = new Set<EnvironmentListener>();

  constructor(store: SnapshotStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  get size(): number {
    return this.#environments.size;
  }

  onEvent(listener: EnvironmentListener): void {
    this.#listeners.add(listener);
  }

  /** The environment at the newest version this replica knows of; undefined when there is none. */
  async environment(id: number): Promise<LiveEnvironment | undefined> {
    return this.held(id) ?? this.#refresh(id);
  }

  /** The same as far as it is in memory; undefined also when this replica may not have read so far as `revision`. */
  held(id: number, revision?: string): LiveEnvironment | undefined {
    const environment = this.#environments.get(id);
    if (environment === undefined || (revision !== undefined && isAhead(revision, environment))) return undefined;
    environment.usedAt = Date.now();
    return environment;
  }

  /** The same, for who has heard of `revision` elsewhere: the log is read first when this replica may not have read so far. */
  async environmentAt(id: number, revision: string): Promise<LiveEnvironment | undefined> {
    const environment = await this.environment(id);
    return environment !== undefined && isAhead(revision, environment) ? this.#refresh(id) : environment;
  }

  /**
   * The whole snapshot, as keys with these tags see it (null: all of it), for who holds `revision` (undefined: nothing); marked as a
   * reset when that is of another history, or was seen with other tags.
   */
  async snapshotFor(
    id: number,
    revision: string | undefined,
    tags: readonly string[] | null = null,
  ): Promise<EncodedSnapshot | undefined> {
    const environment = await this.environment(id);
    const view = environment?.seenBy(tags);
    if (environment === undefined || view === undefined || revision === undefined || view.knows(revision))
      return view?.encoded();
    const position = parseRevision(view.baseOf(revision));
    try {
      // The client may have heard of more than this replica, or of another history; it shall be sent back by neither.
      const current = (await inTime(this.#refresh(id)))?.seenBy(tags);
      if (current === undefined || current.knows(revision)) return current?.encoded();
      const isKnown = position !== undefined && (await inTime(this.#store.knows(id, position)));
      return isKnown ? current.encoded() : current.encodedReset();
    } catch (error) {
      return this.#unverified(environment.seenBy(tags), position, error);
    }
  }

  /**
   * What leads on from a revision: changes (none: it is the newest), or the whole snapshot for who holds nothing, is too far back, of
   * another history or saw it with other tags. Undefined when there is no such environment.
   */
  async sequel(
    id: number,
    revision: string | undefined,
    tags: readonly string[] | null = null,
  ): Promise<Sequel | undefined> {
    const environment = await this.environment(id);
    const view = environment?.seenBy(tags);
    if (environment === undefined || view === undefined || revision === undefined) return view?.encoded();
    const held = view.since(revision);
    if (held !== undefined) return held;
    if (view.knows(revision)) return view.encoded();
    const position = parseRevision(view.baseOf(revision));
    try {
      const current = (await inTime(this.#refresh(id)))?.seenBy(tags);
      if (current === undefined || position === undefined) return current?.encodedReset();
      return (
        current.since(revision) ??
        (await inTime<Sequel | undefined>(
          tags === null ? this.#replay(id, position) : this.#wholeIfKnown(id, position, current),
        )) ??
        current.encodedReset()
      );
    } catch (error) {
      return this.#unverified(environment.seenBy(tags), position, error);
    }
  }

  /** Called with what NOTIFY says: a hint that there is something to read. */
  onHint({ environmentId, version }: Hint): void {
    const environment = this.#environments.get(environmentId);
    // One that is being loaded may be read as it was before: it is looked at once more.
    if (environment === undefined && !this.#refreshing.has(environmentId)) return;
    if (environment?.position.version !== version) void this.#tryRefresh(environmentId);
  }

  /**
   * Compares what is held with the database, follows what differs and forgets what nobody uses: the truth behind the hints.
   * Answers whether there was something to follow that no hint had told of.
   */
  async poll(inUse: (environmentId: number) => boolean = () => false): Promise<boolean> {
    const oldest = Date.now() - IDLE_MS;
    for (const [id, { usedAt }] of this.#environments) if (usedAt < oldest && !inUse(id)) this.#environments.delete(id);
    if (this.#environments.size === 0) return false;
    const positions = await this.#store.positions([...this.#environments.keys()]);
    let untold = false;
    for (const [id, { position }] of this.#environments) {
      const current = positions.get(id);
      if (current?.revision === position.revision) continue;
      untold ||= !this.#refreshing.has(id) && current !== undefined && current.version > position.version;
      await this.#tryRefresh(id);
    }
    return untold;
  }

  async #tryRefresh(id: number): Promise<void> {
    try {
      await this.#refresh(id);
    } catch (error) {
      this.#log.warn({ err: error, environmentId: id }, 'the log of an environment could not be read');
    }
  }

  /** What the log did to a view that nobody looked at meanwhile cannot be said: who saw it before gets it whole. */
  async #wholeIfKnown(id: number, held: Position, view: EnvironmentView): Promise<EncodedSnapshot | undefined> {
    return (await this.#store.knows(id, held)) ? view.encoded() : undefined;
  }

  /** Changes that are no longer in memory. Many clients come back from the same revision at once: they share one look at the log. */
  #replay(id: number, after: Position): Promise<readonly PreparedChange[] | undefined> {
    const key = `${id} ${after.revision}`;
    const running = this.#replaying.get(key);
    if (running !== undefined) return running;
    const replay = this.#readReplay(id, after).finally(() => this.#replaying.delete(key));
    this.#replaying.set(key, replay);
    return replay;
  }

  async #readReplay(id: number, after: Position): Promise<readonly PreparedChange[] | undefined> {
    const missed = await this.#store.missed(id, after);
    if (missed.kind !== 'changes') return undefined;
    const changes = missed.changes.map((change) => prepare(change));
    this.#environments.get(id)?.remember(after.revision, changes);
    return changes;
  }

  /**
   * While the log cannot be read nobody knows whose history a position is of: no reset, so that an older snapshot is ignored. Where
   * the revision names none it is of no history of this view.
   */
  #unverified(view: EnvironmentView, position: Position | undefined, error: unknown): EncodedSnapshot {
    if (!(error instanceof DomainError)) throw error;
    this.#log.warn({ err: error }, 'a revision could not be looked up; answering with the snapshot held');
    return position === undefined ? view.encodedReset() : view.encoded();
  }

  #refresh(id: number): Promise<LiveEnvironment | undefined> {
    const current = this.#refreshing.get(id);
    if (current !== undefined) {
      current.again = true;
      return current.running;
    }
    const state = { again: false, running: Promise.resolve<LiveEnvironment | undefined>(undefined) };
    state.running = (async () => {
      try {
        let environment: LiveEnvironment | undefined;
        do {
          state.again = false;
          environment = await this.#follow(id);
        } while (state.again);
        return environment;
      } finally {
        this.#refreshing.delete(id);
      }
    })();
    this.#refreshing.set(id, state);
    return state.running;
  }

  async #follow(id: number): Promise<LiveEnvironment | undefined> {
    const held = this.#environments.get(id);
    if (held === undefined) return this.#load(id);
    const missed = await this.#store.missed(id, held.position);
    switch (missed.kind) {
      case 'changes':
        if (missed.changes.length > 0)
          this.#emit(id, { kind: 'changes', changes: held.advance(missed.changes, missed.tags) });
        return held;
      case 'unknown': {
        this.#log.warn(
          { environmentId: id, revision: held.position.revision },
          'the log does not lead on from here; loading the whole',
        );
        const loaded = await this.#load(id);
        if (loaded !== undefined) this.#emit(id, { kind: 'reset' });
        return loaded;
      }
      case 'gone':
        return this.#forget(id);
    }
  }

  async #load(id: number): Promise<LiveEnvironment | undefined> {
    const loaded = await this.#store.load(id);
    if (loaded === undefined) return this.#forget(id);
    const environment = new LiveEnvironment(loaded);
    this.#environments.set(id, environment);
    return environment;
  }

  #forget(id: number): undefined {
    if (this.#environments.delete(id)) this.#emit(id, { kind: 'gone' });
    return undefined;
  }

  #emit(id: number, event: EnvironmentEvent): void {
    for (const listener of this.#listeners) listener(id, event);
  }
}

/** What comes too late counts as what does not come at all; the work goes on, for whoever comes later. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = new AbortController();
  const expiry = sleep(PATIENCE_MS, undefined, { signal: late.signal, ref: false }).then(() => {
    throw new DomainError('database_unavailable', 'The log has not been read in time.', { retryAfter: 2 });
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    late.abort();
  }
}

const isAhead = (revision: string, { position }: LiveEnvironment): boolean =>
  (versionIn(revision) ?? 0) > position.version;

/** A revision is `<version>-<8 characters>`; that of a view has an ending. */
const REVISION = /^(\d{1,9})-[\w-]{8}(\.[\w-]{8})?$/;

function versionIn(revision: string): number | undefined {
  const version = REVISION.exec(revision)?.[1];
  return version === undefined ? undefined : Number(version);
}

/** The position that an environment's own revision names. */
function parseRevision(revision: string | undefined): Position | undefined {
  const [, version, ending] = REVISION.exec(revision ?? '') ?? [];
  return revision === undefined || version === undefined || ending !== undefined
    ? undefined
    : { version: Number(version), revision };
}
