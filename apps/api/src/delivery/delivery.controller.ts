import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Grant } from '@fledge/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentGrant, environmentGone, environmentOf, ForSdk } from '../auth/access.js';
import { Problems } from '../http/openapi.js';
import { RequestError } from '../http/problem.js';
import { PATCH_EXAMPLE, SNAPSHOT_EXAMPLE } from './delivery.examples.js';
import { sendSnapshot, wishesOf } from './prepared-snapshots.js';
import { SnapshotCache } from './snapshot-cache.js';
import { SnapshotEvents } from './snapshot-events.js';
import { StreamHub } from './stream-hub.js';

/** What SDKs ask for. */
@ApiTags('SDK')
@Controller('sdk/v1')
export class DeliveryController {
  constructor(
    private readonly snapshots: SnapshotCache,
    private readonly streams: StreamHub,
    private readonly events: SnapshotEvents,
  ) {}

  @Get('snapshot')
  @ForSdk()
  @ApiOperation({
    summary: 'The whole environment of the key',
    description:
      'Every flag that is not archived and every cohort those reach, for evaluation inside the application. A key with tags gets the flags with one of them, and what those need; ' +
      'its revisions end in what tells its part from others.',
  })
  @ApiHeader({ name: 'If-None-Match', required: false, schema: { type: 'string', example: '"17-Jx0aQ2_b"' } })
  @ApiHeader({ name: 'Accept-Encoding', required: false, schema: { type: 'string', example: 'br, gzip' } })
  @ApiResponse({
    status: 200,
    description: 'The snapshot; its ETag is the revision, with a suffix for the coding.',
    content: {
      'application/json': { schema: { type: 'object', additionalProperties: true }, example: SNAPSHOT_EXAMPLE },
    },
  })
  @ApiResponse({ status: 304, description: 'The revision named in If-None-Match is the current one.' })
  @Problems(401, 403, 503)
  async snapshot(
    @CurrentGrant() grant: Grant,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { held, coding } = wishesOf(request);
    const snapshot = await this.snapshots.snapshotFor(environmentOf(grant), held, grant.tags);
    if (snapshot === undefined) throw environmentGone();
    if (held !== snapshot.revision) await snapshot.body(coding);
    sendSnapshot(reply, snapshot, { held, coding });
  }

  @Get('stream')
  @ForSdk()
  @ApiOperation({
    summary: 'The environment of the key, and every change as it happens',
    description:
      'Server-sent events: first `put` (the snapshot), `patch` (what was missed since Last-Event-ID) or `current`; then a `patch` per change. ' +
      'The id of an event is the revision it leads to. A comment comes at least every 20 seconds.',
  })
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'The revision of the snapshot that the client holds.',
    schema: { type: 'string', example: '17-Jx0aQ2_b' },
  })
  @ApiResponse({
    status: 200,
    description: 'The events.',
    content: { 'text/event-stream': { schema: { type: 'string' }, example: PATCH_EXAMPLE } },
  })
  @Problems(401, 403, 429, 503)
  async stream(
    @CurrentGrant() grant: Grant,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const environmentId = environmentOf(grant);
    if ((await this.snapshots.environment(environmentId)) === undefined) throw environmentGone();
    // Nothing is awaited between this look and the opening, so that many who come at once cannot pass the limit together.
    const reason = this.streams.refusal(grant.id);
    if (reason !== undefined) throw new RequestError(429, 'too_many_streams', reason, { retryAfter: 5 });
    const last = request.headers['last-event-id'];
    reply.hijack();
    await this.streams.open(reply.raw, {
      protocol: this.events,
      environmentId,
      tokenId: grant.id,
      tags: grant.tags,
      lastEventId: typeof last === 'string' && last !== '' ? last : undefined,
      headers: { 'cache-control': 'private, no-cache, no-transform', vary: 'Authorization' },
    });
  }
}
