import { Controller, HttpCode, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Grant } from '@fledge/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentGrant, environmentGone, environmentOf, ForEvaluation } from '../auth/access.js';
import type { EnvironmentView } from '../delivery/environment-view.js';
import { SnapshotCache } from '../delivery/snapshot-cache.js';
import { BodyExamples } from '../http/openapi.js';
import { contextOf } from './context.js';
import { Evaluations } from './evaluations.js';
import { AllEvaluatedDto, EvaluatedDto, EvaluationRequestDto, Refusals } from './ofrep.dto.js';
import { OfrepGuard } from './ofrep.guard.js';
import { hourOf, StreamTokens } from './stream-tokens.js';

const EXAMPLES = {
  'A user in Germany': { context: { targetingKey: 'user-7', country: 'DE' } },
  'Nobody in particular': { context: {} },
};

/** What the providers of OpenFeature ask. */
@ApiTags('Remote evaluation')
@Controller('ofrep/v1')
export class OfrepController {
  constructor(
    private readonly snapshots: SnapshotCache,
    private readonly evaluations: Evaluations,
    private readonly tokens: StreamTokens,
  ) {}

  @Post('evaluate/flags/:key')
  @HttpCode(200)
  @ForEvaluation()
  @UseGuards(OfrepGuard)
  @ApiOperation({ summary: 'Decide one flag', description: 'What server providers ask, for every evaluation.' })
  @BodyExamples(EvaluationRequestDto, EXAMPLES)
  @ApiResponse({
    status: 200,
    description: "The answer; without value the caller's default is meant.",
    type: EvaluatedDto,
  })
  @Refusals(400, 403, 404, 413, 429, 503)
  async one(
    @CurrentGrant() grant: Grant,
    @Param('key') key: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const context = contextOf(request.body);
    const environment = await this.#environment(grant, undefined);
    this.evaluations.one(reply, key, { environment, context, now: Date.now() });
  }

  @Post('evaluate/flags')
  @HttpCode(200)
  @ForEvaluation()
  @UseGuards(OfrepGuard)
  @ApiOperation({
    summary: 'Decide all flags',
    description: 'What web and mobile providers ask, at the start and when an event stream tells them to.',
  })
  @BodyExamples(EvaluationRequestDto, EXAMPLES)
  @ApiHeader({
    name: 'If-None-Match',
    required: false,
    description: 'The ETag of the answer held: 304 when it would be the same.',
    schema: { type: 'string' },
  })
  @ApiQuery({
    name: 'flagConfigEtag',
    required: false,
    description: 'The etag of the event that makes the client ask: the answer is of that version or a newer one.',
    schema: { type: 'string', example: '17-Jx0aQ2_b' },
  })
  @ApiResponse({
    status: 200,
    description:
      'Every flag of the environment. The ETag changes with the answer, and once an hour with the event stream.',
    type: AllEvaluatedDto,
    headers: { ETag: { schema: { type: 'string' } } },
  })
  @ApiResponse({ status: 304, description: 'The answer would be the one held.' })
  @Refusals(400, 403, 413, 429, 503)
  async all(
    @CurrentGrant() grant: Grant,
    @Query('flagConfigEtag') heard: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const context = contextOf(request.body);
    const environment = await this.#environment(grant, heard);
    const now = Date.now();
    const token = await this.tokens.make(grant.id, hourOf(now));
    this.evaluations.all(request, reply, token, { environment, context, now });
  }

  /** The environment of the key, at least as new as the revision that the client has heard of. */
  async #environment(grant: Grant, heard: unknown): Promise<EnvironmentView> {
    const id = environmentOf(grant);
    const environment = await (typeof heard === 'string'
      ? this.snapshots.environmentAt(id, heard)
      : this.snapshots.environment(id));
    if (environment === undefined) throw environmentGone();
    return environment.seenBy(grant.tags);
  }
}
