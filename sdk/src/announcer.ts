import type { ClientEvents } from './client.js';
import { FledgeError } from './error.js';
import type { CommonOptions } from './options.js';

type Sets = { readonly [Event in keyof ClientEvents]: Set<(detail: ClientEvents[Event]) => void> };

/** Tells the application what happens: whoever throws on being told disturbs neither the others nor the client. */
export class Announcer {
  readonly #options: CommonOptions;
  readonly #listeners: Sets = { change: new Set(), ready: new Set(), stale: new Set(), error: new Set() };
  /** The kinds of trouble told; each is told once until `forget`. */
  readonly #told = new Set<string>();

  constructor(options: CommonOptions) {
    this.#options = options;
  }

  /** A function that listens already does not listen twice; an event that does not exist never happens. */
  on<Event extends keyof ClientEvents>(event: Event, listener: (detail: ClientEvents[Event]) => void): () => void {
    const set: Set<typeof listener> | undefined = this.#listeners[event];
    set?.add(listener);
    return () => void set?.delete(listener);
  }

  /** Whether anybody would hear of the event: what nobody hears need not be found out. */
  hears(event: keyof ClientEvents): boolean {
    return this.#listeners[event].size > 0;
  }

  emit<Event extends keyof ClientEvents>(event: Event, detail: ClientEvents[Event]): void {
    for (const listener of this.#listeners[event]) this.#tell(listener, detail);
  }

  /** Tells of trouble to the logger, to `onError` and to listeners. */
  report(trouble: FledgeError): void {
    if (this.#told.has(trouble.kind)) return;
    this.#told.add(trouble.kind);
    const { logger, onError } = this.#options;
    this.#tell(() => logger?.warn(`fledge: ${trouble.message}`), trouble);
    this.#tell(() => onError?.(trouble), trouble);
    this.emit('error', trouble);
  }

  /** Makes all trouble news again. */
  forget(): void {
    this.#told.clear();
  }

  /** Nobody hears of anything any more. */
  clear(): void {
    for (const set of Object.values(this.#listeners)) set.clear();
  }

  #tell<Detail>(listener: (detail: Detail) => void, detail: Detail): void {
    try {
      listener(detail);
    } catch (cause) {
      this.report(FledgeError.from(cause, 'listener', 'A listener threw'));
    }
  }
}
