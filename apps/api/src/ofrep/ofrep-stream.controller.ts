import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Grant } from '@fledge/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { environmentGone, environmentOf, Public } from '../auth/access.js';
import { Authenticator } from '../auth/authenticator.js';
import { SnapshotCache } from '../delivery/snapshot-cache.js';
import { StreamHub } from '../delivery/stream-hub.js';
import { RequestError } from '../http/problem.js';
import { Refusals } from './ofrep.dto.js';
import { foreignOrigin, originHeaders } from './origins.js';
import { RefetchEvents } from './refetch-events.js';
import { StreamTokens } from './stream-tokens.js';

const EVENT_EXAMPLE = `id: 18-p0Wm3c-T
event: message
data: {"type":"refetchEvaluation","etag":"18-p0Wm3c-T"}

`;

/** Where the web and mobile providers of OpenFeature listen. */
@ApiTags('Remote evaluation')
@Controller('ofrep/v1')
export class OfrepStreamController {
  constructor(
    private readonly snapshots: SnapshotCache,
    private readonly streams: StreamHub,
    private readonly events: RefetchEvents,
    private readonly tokens: StreamTokens,
    private readonly authenticator: Authenticator,
  ) {}

  @Get('stream')
  // Browsers cannot send a key here: the token in the address is looked at below.
  @Public()
  @ApiOperation({
    summary: 'Be told when to ask again',
    description:
      'Server-sent events, at the address that the answer of all flags brings: `refetchEvaluation` after every change, and on connecting unless ' +
      'Last-Event-ID is the newest revision. A comment comes at least every 20 seconds.',
    security: [],
  })
  @ApiQuery({
    name: 'token',
    required: true,
    description: 'From the answer of all flags; good for opening a stream for two to three hours.',
    schema: { type: 'string' },
  })
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'The id of the last event received.',
    schema: { type: 'string', example: '17-Jx0aQ2_b' },
  })
  @ApiResponse({
    status: 200,
    description: 'The events.',
    content: { 'text/event-stream': { schema: { type: 'string' }, example: EVENT_EXAMPLE } },
  })
  @Refusals(403, 429, 503)
  async stream(
    @Query('token') token: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const grant = await this.#grantOf(token);
    const headers = originHeaders(request, grant.allowedOrigins);
    if (headers === undefined) throw foreignOrigin();
    void reply.headers(headers);
    const environmentId = environmentOf(grant);
    const reason = this.streams.refusal(grant.id);
    if (reason !== undefined) throw new RequestError(429, 'too_many_streams', reason, { retryAfter: 5 });
    if ((await this.snapshots.environment(environmentId)) === undefined) throw environmentGone();
    const last = request.headers['last-event-id'];
    reply.hijack();
    await this.streams.open(reply.raw, {
      protocol: this.events,
      environmentId,
      tokenId: grant.id,
      tags: grant.tags,
      lastEventId: typeof last === 'string' && last !== '' ? last : undefined,
      headers,
    });
  }

  async #grantOf(token: unknown): Promise<Grant> {
    const keyId = typeof token === 'string' ? await this.tokens.keyOf(token, Date.now()) : undefined;
    const grant = keyId === undefined ? undefined : await this.authenticator.grantOf(keyId);
    if (grant === undefined)
      throw new RequestError(
        401,
        'token_refused',
        'The token of the stream is forged or too old, or its key is revoked.',
      );
    return grant;
  }
}
