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
  constructor(private readonly snapshots: SnapshotCache) {}

  changed(changes: readonly PreparedChange[]): Buffer {
    return Buffer.concat(changes.map((change) => change.event));
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
