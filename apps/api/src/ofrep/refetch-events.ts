import { Injectable } from '@nestjs/common';
import type { PreparedChange } from '../delivery/recent-changes.js';
import { sseEvent } from '../delivery/serialize.js';
import { SnapshotCache } from '../delivery/snapshot-cache.js';
import type { StreamProtocol } from '../delivery/stream-hub.js';

const COMMENT = Buffer.from(':\n\n');

/**
 * What OpenFeature's clients are told: to ask again, after a change that this replica can answer with, and on connecting unless they
 * have heard of the newest already. The event names the revision, which the question brings along, so that a replica that lags
 * behind this one catches up before it answers.
 */
@Injectable()
export class RefetchEvents implements StreamProtocol {
  constructor(private readonly snapshots: SnapshotCache) {}

  changed(changes: readonly PreparedChange[]): Buffer {
    return refetch(changes.at(-1)?.revision ?? '');
  }

  async catchUp(
    environmentId: number,
    heard: string,
    tags: readonly string[] | null,
  ): Promise<{ event: Buffer; revision: string } | undefined> {
    const view = (await this.snapshots.environmentAt(environmentId, heard))?.seenBy(tags);
    const revision = view?.position.revision;
    if (view === undefined || revision === undefined || revision === heard) return undefined;
    // What lies outside of the part that a key sees is no reason to ask again.
    const isUntouched = view.since(heard)?.every(({ isEmpty }) => isEmpty) ?? false;
    return { event: isUntouched ? COMMENT : refetch(revision), revision };
  }

  upToDate(): Buffer {
    return COMMENT;
  }
}

const refetch = (revision: string): Buffer =>
  sseEvent('message', revision, JSON.stringify({ type: 'refetchEvaluation', etag: revision }));
