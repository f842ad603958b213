import { applyDecorators, Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { milliseconds } from '@fledge/canary';
import { RolloutSteering, RolloutStore, type Actor, type RolloutDocument, type RolloutRef } from '@fledge/store';
import { ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { CommentDto } from '../http/comment.dto.js';
import { BodyExamples, CommentBody, IdempotencyHeader, IfMatchApi, WriteProblems } from '../http/openapi.js';
import { IfMatchHeader, optional, type IfMatch } from '../http/preconditions.js';
import { AcknowledgeDto, CancelDto, JumpDto, PromoteDto, RetryDto, RolloutDto, VerdictDto } from './rollout.dto.js';

/** What makes a command that is sent twice one that is done once. */
const Repeatable = (): MethodDecorator =>
  applyDecorators(
    IdempotencyHeader(),
    IfMatchApi(
      'The ETag that was read, or * for whatever it is now. A script sends this or an Idempotency-Key, so that a command that is sent twice is done once.',
      '*',
    ),
  );

/** What every command has in common. */
const Command = (summary: string, description?: string): MethodDecorator =>
  applyDecorators(
    HttpCode(200),
    ForRole('operator'),
    Repeatable(),
    ApiOperation({ summary, ...(description === undefined ? {} : { description }) }),
    ApiOkResponse({ type: RolloutDto }),
    WriteProblems(412),
  );

/** What people and scripts ask of a rollout that lives, best with If-Match or an Idempotency-Key. In a state in which it makes no sense a command is refused: 409 with what does. */
@ApiTags('Rollouts')
@ApiParam({ name: 'project', example: 'default' })
@ApiParam({ name: 'environment', example: 'production' })
@ApiParam({ name: 'rollout', example: 'key:pipeline-42', description: 'An id, or key: and an external key.' })
@Controller('api/v1/projects/:project/environments/:environment/rollouts/:rollout')
export class SteeringController {
  constructor(
    private readonly steering: RolloutSteering,
    private readonly rollouts: RolloutStore,
  ) {}

  @Post('pause')
  @Command('Stop the clock', 'The percentage stays as it is; guardrails go on watching and may roll back.')
  @CommentBody(CommentDto)
  pause(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() _body: CommentDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.steering.pause(by, ref, optional(ifMatch));
  }

  @Post('resume')
  @Command('Let the clock go on')
  @CommentBody(CommentDto)
  resume(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() _body: CommentDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.steering.resume(by, ref, optional(ifMatch));
  }

  @Post('promote')
  @Command(
    'Go on to the next stage, or to everybody',
    'Over a hold or a warning it needs a comment, and that guardrail only warns from then on; a guardrail that rolls back cannot be overridden at its limit.',
  )
  @BodyExamples(PromoteDto, { 'The next stage': { comment: 'looks good' } })
  promote(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() { full }: PromoteDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.steering.promote(by, ref, full === true, optional(ifMatch));
  }

  @Post('jump')
  @Command('Go to any stage, forward or back', 'Forward it is guarded as promote is.')
  @BodyExamples(JumpDto, { 'To the first stage': { stage: 0, comment: 'control is known well enough' } })
  jump(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() { stage }: JumpDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.steering.jump(by, ref, stage, optional(ifMatch));
  }

  @Post('rollback')
  @Command('Give everybody the baseline again', 'One transaction that needs nothing but the database.')
  @CommentBody(CommentDto)
  rollback(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() _body: CommentDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.steering.rollback(by, ref, optional(ifMatch));
  }

  @Post('cancel')
  @Command(
    'End it without a judgement',
    'Keeps the percentage as an ordinary rule, or gives everybody the baseline or the canary.',
  )
  @BodyExamples(CancelDto, { 'Back to the baseline': { keep: 'baseline', comment: 'not now' } })
  cancel(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() { keep }: CancelDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.steering.cancel(by, ref, keep ?? 'baseline', optional(ifMatch));
  }

  @Post('approve')
  @Command(
    'Say yes to leaving the stage',
    'Void with the stage. With four eyes somebody else than who started the rollout.',
  )
  @CommentBody(CommentDto)
  approve(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() _body: CommentDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.steering.approve(by, ref, optional(ifMatch));
  }

  @Post('acknowledge')
  @Command(
    'Take note of an alarm',
    'That the arms differ before anything is served, or do not get their shares: it holds nothing up until the next stage.',
  )
  @BodyExamples(AcknowledgeDto, { 'Draw other users': { comment: 'an unlucky draw', reshuffle: true } })
  acknowledge(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() { reshuffle }: AcknowledgeDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.steering.acknowledge(by, ref, reshuffle === true, optional(ifMatch));
  }

  @Post('retry')
  @ForRole('operator')
  @Repeatable()
  @ApiOperation({ summary: 'Start it again', description: 'A new rollout with the same plan and the same users.' })
  @BodyExamples(RetryDto, { 'With the same users': { comment: 'fixed' } })
  @ApiCreatedResponse({ type: RolloutDto, headers: { Location: { schema: { type: 'string' } } } })
  @WriteProblems(412)
  retry(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() { reshuffle, enable }: RetryDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutDocument> {
    return this.rollouts.retry(by, ref, { reshuffle, enable }, optional(ifMatch));
  }

  @Post('verdicts')
  @HttpCode(200)
  @ForRole('operator')
  @IdempotencyHeader()
  @ApiOperation({
    summary: "Bring an outside judge's word",
    description: 'A fail rolls back at once; every word lapses.',
  })
  @BodyExamples(VerdictDto, {
    'A load test went well': { source: 'load-test', verdict: 'pass', ttl: '10m', reason: 'p99 within budget' },
  })
  @ApiOkResponse({ type: RolloutDto })
  @WriteProblems()
  verdict(
    @By() by: Actor,
    @Param() ref: RolloutRef,
    @Body() { source, verdict, ttl, reason }: VerdictDto,
  ): Promise<RolloutDocument> {
    return this.steering.addVerdict(by, ref, { source, verdict, reason, ttlMs: milliseconds(ttl) });
  }
}
