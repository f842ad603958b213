import { setTimeout as sleep } from 'node:timers/promises';
import { DomainError } from '@fledge/store';
import { RequestError } from '../http/problem.js';

/** How much may wait to be written, in all and of one sender. */
export type QueueLimits = { readonly bytes: number; readonly perSender: number };

type Waiting<T, R> = {
  readonly item: T;
  readonly bytes: number;
  readonly sender: string;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
};

/** So long it is waited for company: one write for fifty reports costs little more than for one. */
const LINGER_MS = 25;
/** What goes into one write. */
const MOST_TOGETHER = 500;

/**
 * Writes what comes in batches, one after the other: while one is being written the next gathers. Bounded: what would make the queue
 * too long is refused with 429.
 */
export class GroupCommit<T, R> {
  readonly #write: (batch: readonly T[]) => Promise<readonly R[]>;
  readonly #limits: QueueLimits;
  #queue: Waiting<T, R>[] = [];
  #bytes = 0;
  readonly #bySender = new Map<string, number>();
  #running: Promise<void> | undefined;

  constructor(write: (batch: readonly T[]) => Promise<readonly R[]>, limits: QueueLimits) {
    this.#write = write;
    this.#limits = limits;
  }

  /** How many wait or are being written. */
  size = 0;

  /** Resolves when the item is durable. @throws RequestError 429 when too much waits; what the write throws */
  async add(item: T, bytes: number, sender: string): Promise<R> {
    const own = this.#bySender.get(sender) ?? 0;
    if (this.#bytes + bytes > this.#limits.bytes || own + bytes > this.#limits.perSender)
      throw new RequestError(429, 'too_many_reports', 'More is reported than can be written; report again later.', {
        retryAfter: 5,
      });
    this.size += 1;
    this.#bytes += bytes;
    this.#bySender.set(sender, own + bytes);
    try {
      return await new Promise<R>((resolve, reject) => {
        this.#queue.push({ item, bytes, sender, resolve, reject });
        this.#running ??= this.#run();
      });
    } finally {
      this.size -= 1;
      this.#bytes -= bytes;
      const left = (this.#bySender.get(sender) ?? 0) - bytes;
      if (left > 0) this.#bySender.set(sender, left);
      else this.#bySender.delete(sender);
    }
  }

  /** Resolves when nothing is being written any more. */
  async drain(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      if (this.#queue.length < MOST_TOGETHER) await sleep(LINGER_MS);
      const batch = this.#queue.splice(0, MOST_TOGETHER);
      await this.#commit(batch);
    }
    this.#running = undefined;
  }

  async #commit(batch: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const results = await this.#write(batch.map(({ item }) => item));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index];
        if (result === undefined) reject(new Error('The write answered less than it was asked.'));
        else resolve(result);
      }
    } catch (error) {
      // One that cannot be written shall not take the others with it; when the database is away nobody is tried alone.
      if (batch.length === 1 || error instanceof DomainError) for (const { reject } of batch) reject(error);
      else for (const each of batch) await this.#commit([each]);
    }
  }
}
