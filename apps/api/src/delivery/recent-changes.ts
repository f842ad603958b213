import type { Change } from '@fledge/evaluation';
import { sseEvent } from './serialize.js';

/** A change as it goes over the wire, prepared once for every stream. */
export type PreparedChange = {
  readonly revision: string;
  readonly event: Buffer;
  /** Whether it changes nothing but the version. */
  readonly isEmpty: boolean;
};

export const prepare = (change: Change): PreparedChange => ({
  revision: change.revision,
  isEmpty: change.flags === undefined && change.cohorts === undefined && change.removed === undefined,
  event: sseEvent('patch', change.revision, JSON.stringify(change)),
});

/** How much of the past is kept in memory to bring a reconnecting stream up to date without asking the database. */
const MOST_CHANGES = 200;
const MOST_BYTES = 1_048_576;

/** The newest changes of a snapshot, without a gap. */
export class RecentChanges {
  #changes: (PreparedChange & { readonly from: string })[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a change that leads on from the newest, which is that of `from`. */
  append(from: string, change: PreparedChange): void {
    this.#changes.push({ ...change, from });
    this.#bytes += change.event.length;
    this.#trim();
  }

  /** Takes changes that lead from `revision` to the newest, if they reach further back than those it has. */
  lengthen(revision: string, changes: readonly PreparedChange[]): void {
    if (changes.length <= this.#changes.length) return;
    this.#changes = changes.map((change, index) => ({ ...change, from: changes[index - 1]?.revision ?? revision }));
    this.#bytes = changes.reduce((sum, { event }) => sum + event.length, 0);
    this.#trim();
  }

  /** The changes after a revision that is not the newest, if they are all still here. */
  since(revision: string): readonly PreparedChange[] | undefined {
    const index = this.#changes.findIndex(({ from }) => from === revision);
    return index === -1 ? undefined : this.#changes.slice(index);
  }

  #trim(): void {
    while (this.#changes.length > MOST_CHANGES || this.#bytes > MOST_BYTES) {
      this.#bytes -= this.#changes.shift()?.event.length ?? 0;
    }
  }
}
