import type { ClientEvents } from './client.js';

type Sets = { readonly [Event in keyof ClientEvents]: Set<(detail: ClientEvents[Event]) => void> };

/** The listeners of one client. One that throws disturbs neither the others nor the caller. */
export class Listeners {
  readonly #onThrow: (cause: unknown) => void;
  readonly #sets: Sets = { change: new Set(), ready: new Set(), stale: new Set(), error: new Set() };

  constructor(onThrow: (cause: unknown) => void) {
    this.#onThrow = onThrow;
  }

  /** A function registered twice is called twice, and each registration is removed by itself. */
  on<Event extends keyof ClientEvents>(event: Event, listener: (detail: ClientEvents[Event]) => void): () => void {
    const entry = (detail: ClientEvents[Event]): void => listener(detail);
    const set = this.#sets[event];
    set.add(entry);
    return () => void set.delete(entry);
  }

  emit<Event extends keyof ClientEvents>(event: Event, detail: ClientEvents[Event]): void {
    for (const listener of this.#sets[event]) {
      try {
        listener(detail);
      } catch (cause) {
        this.#onThrow(cause);
      }
    }
  }

  clear(): void {
    for (const set of Object.values(this.#sets)) set.clear();
  }
}
