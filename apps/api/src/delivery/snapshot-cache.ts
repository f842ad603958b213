import type { Hint, Position, SnapshotStore } from '@fledge/store';
import type { Logger } from '../log.js';
import type { EncodedSnapshot } from './encoded-snapshot.js';
import { LiveEnvironment, prepare, type PreparedChange } from './live-environment.js';

/** What happened to an environment: it went on, it began a new history, or it is gone. */
export type EnvironmentEvent =
  | { readonly kind: 'changes'; readonly changes: readonly PreparedChange[] }
  | { readonly kind: 'reset' }
  | { readonly kind: 'gone' };

export type EnvironmentListener = (environmentId: number, event: EnvironmentEvent) => void;

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
    const environment = this.#environments.get(id) ?? (await this.#refresh(id));
    if (environment !== undefined) environment.usedAt = Date.now();
    return environment;
  }

  /** The same, for who has heard of `revision` elsewhere: the log is read first when this replica may not have read so far. */
  async environmentAt(id: number, revision: string): Promise<LiveEnvironment | undefined> {
    const environment = await this.environment(id);
    const position = parseRevision(revision);
    if (environment === undefined || position === undefined) return environment;
    return position.version > environment.position.version ? this.#refresh(id) : environment;
  }

  /** The whole snapshot for who holds `revision` (undefined: nothing); marked as a reset when that is of another history. */
  async snapshotFor(id: number, revision: string | undefined): Promise<EncodedSnapshot | undefined> {
    const environment = await this.environment(id);
    if (environment === undefined || revision === undefined) return environment?.encoded();
    if (environment.since(revision) !== undefined) return environment.encoded();
    const position = parseRevision(revision);
    if (position === undefined || !(await this.#store.knows(id, position))) return environment.encodedReset();
    // The client has heard of a version before this replica did.
    const current = position.version > environment.position.version ? await this.#refresh(id) : environment;
    return current?.encoded();
  }

  /** The events that lead on from a revision; undefined when it is of another history or too far back. Empty: it is the newest. */
  async eventsSince(id: number, revision: string): Promise<readonly PreparedChange[] | undefined> {
    const held = (await this.environment(id))?.since(revision);
    if (held !== undefined) return held;
    const position = parseRevision(revision);
    if (position === undefined) return undefined;
    const refreshed = (await this.#refresh(id))?.since(revision);
    if (refreshed !== undefined) return refreshed;
    const missed = await this.#store.missed(id, position);
    return missed.kind === 'changes' ? missed.changes.map((change) => prepare(change)) : undefined;
  }

  /** Called with what NOTIFY says: a hint that there is something to read. */
  onHint({ environmentId, version }: Hint): void {
    const environment = this.#environments.get(environmentId);
    if (environment === undefined || environment.position.version === version) return;
    void this.#refresh(environmentId).catch((error: unknown) => {
      this.#log.warn({ err: error, environmentId }, 'the log of an environment could not be read');
    });
  }

  /** Compares what is held with the database, follows what differs and forgets what nobody uses: the truth behind the hints. */
  async poll(inUse: (environmentId: number) => boolean = () => false): Promise<void> {
    const oldest = Date.now() - IDLE_MS;
    for (const [id, { usedAt }] of this.#environments) if (usedAt < oldest && !inUse(id)) this.#environments.delete(id);
    if (this.#environments.size === 0) return;
    const positions = await this.#store.positions([...this.#environments.keys()]);
    for (const [id, { position }] of this.#environments) {
      if (positions.get(id)?.revision !== position.revision) await this.#refresh(id);
    }
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
        if (missed.changes.length > 0) this.#emit(id, { kind: 'changes', changes: held.advance(missed.changes) });
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
    const snapshot = await this.#store.load(id);
    if (snapshot === undefined) return this.#forget(id);
    const environment = new LiveEnvironment(snapshot);
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

/** A revision is `<version>-<8 characters>`. */
function parseRevision(revision: string): Position | undefined {
  const version = /^(\d{1,9})-[\w-]{8}$/.exec(revision)?.[1];
  return version === undefined ? undefined : { version: Number(version), revision };
}
