import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import {
  RolloutSteering,
  RolloutStore,
  type Actor,
  type EnvironmentRef,
  type Page,
  type RolloutDocument,
  type RolloutRef,
  type StartPreview,
} from '@fledge/store';
import type { FastifyReply } from 'fastify';
import { ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { CommentDto } from '../http/comment.dto.js';
import { Lively } from '../http/document.interceptor.js';
import { BodyExamples, CommentBody, IdempotencyHeader, pageOf, ReadProblems, WriteProblems } from '../http/openapi.js';
import { PausedDto, RolloutDto, RolloutQueryDto, StartPreviewDto, StartRolloutDto } from './rollout.dto.js';
import { INLINE_PLAN } from './plan.example.js';

const START = { flag: 'new-checkout', canary: 'on', baseline: 'off', audience: [], enable: true };

/** How rollouts begin, and where they stand. */
@ApiTags('Rollouts')
@ApiParam({ name: 'project', example: 'default' })
@ApiParam({ name: 'environment', example: 'production' })
@Controller('api/v1/projects/:project/environments/:environment/rollouts')
export class RolloutsController {
  constructor(
    private readonly rollouts: RolloutStore,
    private readonly steering: RolloutSteering,
  ) {}

  @Get()
  @ForRole('viewer')
  @ApiOperation({ summary: 'List rollouts', description: 'The newest first; sorted by createdAt or updatedAt.' })
  @ApiOkResponse({ type: pageOf(RolloutDto) })
  @ReadProblems()
  list(@Param() place: EnvironmentRef, @Query() query: RolloutQueryDto): Promise<Page<RolloutDocument>> {
    return this.rollouts.list(place, query);
  }

  @Post()
  @ForRole('operator')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Start a canary rollout',
    description:
      'Writes one rule of the flag and moves it from stage to stage by itself; takes it back when the canary is worse than the concurrent rest. ' +
      'Answers 200 with the rollout of an externalKey that was used before, and for a dry run.',
  })
  @BodyExamples(StartRolloutDto, {
    'Would it be refused?': { ...START, plan: 'standard', dryRun: true },
    'The standard plan': { ...START, plan: 'standard' },
    'A plan of its own, in place of what is live': {
      ...START,
      plan: INLINE_PLAN,
      externalKey: 'pipeline-42',
      supersede: true,
    },
  })
  @ApiCreatedResponse({ type: RolloutDto })
  @ApiExtraModels(StartPreviewDto)
  @ApiOkResponse({
    description: 'The rollout that has the externalKey already, or what a dry run found.',
    schema: { oneOf: [{ $ref: getSchemaPath(RolloutDto) }, { $ref: getSchemaPath(StartPreviewDto) }] },
  })
  @WriteProblems()
  async start(
    @By() by: Actor,
    @Param() place: EnvironmentRef,
    @Body() { plan, dryRun, comment: _, ...request }: StartRolloutDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutDocument | StartPreview> {
    if (dryRun === true) {
      void reply.status(200);
      return this.rollouts.preview(by, place, request, plan);
    }
    const { rollout, created } = await this.rollouts.start(by, place, request, plan);
    void reply.status(created ? 201 : 200);
    return rollout;
  }

  @Post('pause-all')
  @HttpCode(200)
  @ForRole('operator')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Pause every rollout here',
    description:
      'Guardrails of those that run go on watching; what waits for its date is held back until somebody resumes it.',
  })
  @CommentBody(CommentDto)
  @ApiOkResponse({ type: PausedDto })
  @WriteProblems()
  pauseAll(@By() by: Actor, @Param() place: EnvironmentRef, @Body() _body: CommentDto): Promise<PausedDto> {
    return this.steering.pauseAll(by, place);
  }

  @Get(':rollout')
  @Lively()
  @ForRole('viewer')
  @ApiParam({ name: 'rollout', example: 'key:pipeline-42', description: 'An id, or key: and an external key.' })
  @ApiOperation({ summary: 'Show a rollout' })
  @ApiOkResponse({ type: RolloutDto })
  @ReadProblems()
  get(@Param() ref: RolloutRef): Promise<RolloutDocument> {
    return this.rollouts.get(ref);
  }
}
