import { Injectable } from '@nestjs/common';
import type { Position } from '@fledge/store';
import type { PreparedChange } from './live-environment.js';
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

  async catchUp(environmentId: number, revision: string): Promise<{ event: Buffer; revision: string } | undefined> {
    const missed = revision === '' ? undefined : await this.snapshots.eventsSince(environmentId, revision);
    if (missed !== undefined) {
      const last = missed.at(-1);
      return last && { event: this.changed(missed), revision: last.revision };
    }
    const environment = await this.snapshots.environment(environmentId);
    const snapshot = revision === '' ? environment?.encoded() : environment?.encodedReset();
    return snapshot && { event: await snapshot.put(), revision: snapshot.revision };
  }

  upToDate({ version, revision }: Position): Buffer {
    return sseEvent('current', revision, JSON.stringify({ version, revision }));
  }
}
