import type { Grant } from '@fledge/store';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SDK_ACCESS } from '../auth/access.js';
import type { Authenticator } from '../auth/authenticator.js';
import { knownGrant } from '../auth/known-grant.js';
import { answerAhead } from '../http/ahead.js';
import type { RateLimits } from '../http/rate-limits.js';
import { codingFor, revisionsIn } from './conditional.js';
import type { Coding, EncodedSnapshot } from './encoded-snapshot.js';
import type { SnapshotCache } from './snapshot-cache.js';

/** What a request for a snapshot says: the revision it holds, and the coding it would have. */
export type Wishes = { readonly held: string | undefined; readonly coding: Coding };

export const wishesOf = ({ headers }: FastifyRequest): Wishes => ({
  held: revisionsIn(headers['if-none-match'])[0],
  coding: codingFor(headers['accept-encoding']),
});

/** Answers with a snapshot whose body is made in this coding, or with 304 to who holds it. */
export function sendSnapshot(reply: FastifyReply, snapshot: EncodedSnapshot, { held, coding }: Wishes): void {
  void reply
    .header('cache-control', 'private, no-cache')
    .header('vary', 'Authorization, Accept-Encoding')
    .header('etag', snapshot.etag(coding));
  if (held === snapshot.revision) {
    void reply.status(304).send();
    return;
  }
  if (coding !== 'identity') void reply.header('content-encoding', coding);
  void reply.header('content-type', 'application/json; charset=utf-8').send(snapshot.made(coding));
}

/**
 * Answers at once who asks with a key that was looked up a moment ago for a snapshot that is in memory, which is nearly everybody:
 * the same answer as the controller's, without the framework's way to it. Whatever is missing is left to the controller.
 */
export function answerSnapshots(
  server: FastifyInstance,
  memory: { readonly authenticator: Authenticator; readonly snapshots: SnapshotCache; readonly rates: RateLimits },
): void {
  answerAhead(server, { method: 'GET', url: '/sdk/v1/snapshot', at: 'onRequest' }, (request) => {
    const grant = knownGrant(memory.authenticator, SDK_ACCESS, request);
    if (grant === undefined) return undefined;
    const wishes = wishesOf(request);
    const snapshot = prepared(memory.snapshots, grant, wishes);
    if (snapshot === undefined) return undefined;
    return async (reply) => {
      await memory.rates.take('sdkPerSecond', grant.id);
      sendSnapshot(reply, snapshot, wishes);
    };
  });
}

/** The snapshot for a client that holds nothing or a revision known here. */
function prepared(
  cache: SnapshotCache,
  { environments, tags }: Grant,
  { held, coding }: Wishes,
): EncodedSnapshot | undefined {
  const id = environments?.[0]?.id;
  const view = id === undefined ? undefined : cache.held(id)?.seenBy(tags);
  if (view === undefined || (held !== undefined && !view.knows(held))) return undefined;
  const snapshot = view.encoded();
  return held === snapshot.revision || snapshot.made(coding) !== undefined ? snapshot : undefined;
}
