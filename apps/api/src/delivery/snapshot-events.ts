import { Injectable } from '@nestjs/common';
import type { Position } from '@fledge/store';
import { EncodedSnapshot } from './encoded-snapshot.js';
import type { PreparedChange } from './recent-changes.js';
import { sseEvent } from './serialize.js';
import { SnapshotCache } from './snapshot-cache.js';
import type { StreamProtocol } from './stream-hub.js';

/** What SDKs are told: `put` with the whole, `patch` with what changed, `current` when nothing did. */
@Injectable()
export class SnapshotEvents implements StreamProtocol {
  /** By the first event of several what they are as one, for as long as that waits for anybody. */
  readonly #joined = new WeakMap<Buffer, { readonly last: Buffer; readonly all: WeakRef<Buffer> }>();

  constructor(private readonly snapshots: SnapshotCache) {}

  /** One buffer for all who miss the same, also when a crowd comes back: what waits for them is there once. */
  changed(changes: readonly PreparedChange[]): Buffer {
    const events = changes.map(({ event }) => event);
    const [first, last] = [events[0], events.at(-1)];
    if (first === undefined || last === undefined || first === last) return first ?? Buffer.of();
    const known = this.#joined.get(first);
    const joined = known?.last === last ? known.all.deref() : undefined;
    if (joined !== undefined) return joined;
    const all = Buffer.concat(events);
    this.#joined.set(first, { last, all: new WeakRef(all) });
    return all;
  }

  async catchUp(
    environmentId: number,
    revision: string,
    tags: readonly string[] | null,
  ): Promise<{ event: Buffer; revision: string } | undefined> {
    const sequel = await this.snapshots.sequel(environmentId, revision === '' ? undefined : revision, tags);
    if (sequel instanceof EncodedSnapshot) return { event: await sequel.put(), revision: sequel.revision };
    const last = sequel?.at(-1);
    return sequel && last && { event: this.changed(sequel), revision: last.revision };
  }

  upToDate({ version, revision }: Position): Buffer {
    return sseEvent('current', revision, JSON.stringify({ version, revision }));
  }
}
