import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiResponse,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import {
  RolloutHistory,
  RolloutStore,
  type Grant,
  type Page,
  type RolloutDecision,
  type RolloutDocument,
  type RolloutRef,
  type RolloutVerdict,
} from '@fledge/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentGrant, ForRole } from '../auth/access.js';
import { Lively } from '../http/document.interceptor.js';
import { pageOf, ReadProblems } from '../http/openapi.js';
import { PageQueryDto } from '../http/page.query.js';
import { PICTURE_POLICY } from './chart/theme.js';
import { EventStream } from './event-stream.js';
import {
  EventQueryDto,
  RolloutDecisionDto,
  RolloutDto,
  RolloutEventDto,
  RolloutVerdictDto,
  WaitQueryDto,
} from './rollout.dto.js';
import { RolloutSignals } from './signals.js';
import { isReached, readWait } from './wait.js';

/** The database is asked at least so often, whatever is notified. */
const LOOK_MS = 1_000;

const EventPage = pageOf(RolloutEventDto);
const EVENT_EXAMPLE = `id: 42
event: advanced
data: {"id":"42","type":"advanced","state":"running","stage":1,"percentage":5}

`;

/** What scripts and pipelines hold on to. */
@ApiTags('Rollouts')
@ApiParam({ name: 'project', example: 'default' })
@ApiParam({ name: 'environment', example: 'production' })
@ApiParam({ name: 'rollout', example: 'key:pipeline-42', description: 'An id, or key: and an external key.' })
@Controller('api/v1/projects/:project/environments/:environment/rollouts/:rollout')
export class ReportsController {
  constructor(
    private readonly rollouts: RolloutStore,
    private readonly history: RolloutHistory,
    private readonly signals: RolloutSignals,
    private readonly stream: EventStream,
  ) {}

  @Get('verdict')
  @Lively()
  @ForRole('viewer')
  @ApiOperation({ summary: 'Is it good?', description: 'Always an answer; about an unknown rollout: inconclusive.' })
  @ApiOkResponse({ type: RolloutVerdictDto })
  @ReadProblems()
  verdict(@Param() ref: RolloutRef): Promise<RolloutVerdict> {
    return this.history.verdict(ref);
  }

  @Get('wait')
  @Lively()
  @ForRole('viewer')
  @ApiOperation({
    summary: 'Wait until it has come so far',
    description: 'Until a stage, until a gate holds it, or until its end. Answers 202 when the time is over first.',
  })
  @ApiOkResponse({ type: RolloutDto, description: 'It has come so far, or is over.' })
  @ApiResponse({ status: 202, type: RolloutDto, description: 'Not yet: ask again.' })
  @ReadProblems()
  async wait(
    @Param() ref: RolloutRef,
    @Query() query: WaitQueryDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutDocument> {
    const { until, timeoutMs } = readWait(query);
    const end = performance.now() + timeoutMs;
    for (;;) {
      const rollout = await this.rollouts.get(ref);
      const rest = end - performance.now();
      if (isReached(rollout, until)) return rollout;
      if (rest <= 0 || this.signals.draining || reply.raw.destroyed) {
        void reply.status(202);
        return rollout;
      }
      await this.signals.wait(rollout.id, Math.min(rest, LOOK_MS));
    }
  }

  @Get('events')
  @ForRole('viewer')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Of a stream: the id of the last event received.' })
  @ApiOperation({
    summary: 'What happened to it',
    description: 'In order. With Accept: text/event-stream as a stream that ends with the rollout.',
  })
  @ApiExtraModels(EventPage)
  @ApiOkResponse({
    description: 'The events.',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(EventPage) } },
      'text/event-stream': { schema: { type: 'string' }, example: EVENT_EXAMPLE },
    },
  })
  @ReadProblems()
  async events(
    @Param() ref: RolloutRef,
    @Query() query: EventQueryDto,
    @CurrentGrant() grant: Grant,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (request.headers.accept?.includes('text/event-stream') !== true) {
      void reply.send(await this.history.events(ref, query));
      return;
    }
    const last = request.headers['last-event-id'];
    const { id } = await this.rollouts.get(ref);
    reply.hijack();
    await this.stream.send(reply.raw, { ...ref, rollout: id }, grant, typeof last === 'string' ? last : query.after);
  }

  @Get('decisions')
  @ForRole('viewer')
  @ApiOperation({ summary: 'What every tick decided, and why', description: 'The newest first.' })
  @ApiOkResponse({ type: pageOf(RolloutDecisionDto) })
  @ReadProblems()
  decisions(@Param() ref: RolloutRef, @Query() query: PageQueryDto): Promise<Page<RolloutDecision>> {
    return this.history.decisions(ref, query);
  }

  @Get('chart.svg')
  @ForRole('viewer')
  @ApiOperation({
    summary: 'A picture of how it went',
    description:
      'Percentage over time, the rates of both arms with 95 % intervals (Wilson), evidence against the limits, and every event. Light or dark as the reader has chosen; without scripts.',
  })
  @ApiResponse({
    status: 200,
    description: 'An SVG document.',
    content: {
      'image/svg+xml': { schema: { type: 'string' }, example: '<svg xmlns="http://www.w3.org/2000/svg">…</svg>' },
    },
  })
  @ReadProblems()
  async chart(@Param() ref: RolloutRef, @Res() reply: FastifyReply): Promise<void> {
    const course = await this.history.course(ref);
    // Loaded by the first who wants to see something: most replicas never draw.
    const { rolloutChart } = await import('./chart/rollout-chart.js');
    void reply
      .header('content-type', 'image/svg+xml; charset=utf-8')
      .header('content-security-policy', PICTURE_POLICY)
      .send(rolloutChart(course));
  }
}
