import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { RolloutPlanStore, type Actor, type Page, type RolloutPlanDocument } from '@fledge/store';
import { ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import {
  BodyExamples,
  DocumentProblems,
  IdempotencyHeader,
  IfMatchApi,
  pageOf,
  ReadProblems,
  WriteProblems,
} from '../http/openapi.js';
import { CommentQueryDto, PageQueryDto } from '../http/page.query.js';
import { IfMatchHeader, optional, required, type IfMatch } from '../http/preconditions.js';
import { CreatePlanDto, ReplacePlanDto, RolloutPlanDto } from './plan.dto.js';
import { INLINE_PLAN } from './plan.example.js';

/** Plans with a name. Rollouts keep a copy, so that later edits touch nothing that runs. */
@ApiTags('Rollouts')
@ApiParam({ name: 'project', example: 'default' })
@Controller('api/v1/projects/:project/rollout-plans')
export class PlansController {
  constructor(private readonly plans: RolloutPlanStore) {}

  @Get()
  @ForRole('viewer')
  @ApiOperation({
    summary: "List the project's own plans",
    description: 'Sorted by key or updatedAt. standard, careful and quick are always there beside them.',
  })
  @ApiOkResponse({ type: pageOf(RolloutPlanDto) })
  @ReadProblems()
  list(@Param('project') project: string, @Query() query: PageQueryDto): Promise<Page<RolloutPlanDocument>> {
    return this.plans.list(project, query);
  }

  @Post()
  @ForRole('editor')
  @IdempotencyHeader()
  @ApiOperation({ summary: 'Make a plan' })
  @BodyExamples(CreatePlanDto, { 'In ten minutes': { key: 'ten-minutes', name: 'In ten minutes', plan: INLINE_PLAN } })
  @ApiCreatedResponse({ type: RolloutPlanDto })
  @WriteProblems()
  create(
    @By() by: Actor,
    @Param('project') project: string,
    @Body() { key, name, description, plan }: CreatePlanDto,
  ): Promise<RolloutPlanDocument> {
    return this.plans.create(by, project, { key, name, description, plan });
  }

  @Get(':plan')
  @ApiParam({ name: 'plan', example: 'ten-minutes' })
  @ForRole('viewer')
  @ApiOperation({ summary: 'Show a plan' })
  @ApiOkResponse({ type: RolloutPlanDto })
  @DocumentProblems()
  get(@Param('project') project: string, @Param('plan') plan: string): Promise<RolloutPlanDocument> {
    return this.plans.get(project, plan);
  }

  @Put(':plan')
  @ApiParam({ name: 'plan', example: 'ten-minutes' })
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi('The ETag that was read. Either this or version in the body is required.')
  @ApiOperation({ summary: 'Replace a plan', description: 'What runs already keeps the plan it was started with.' })
  @BodyExamples(ReplacePlanDto, { 'Another name': { version: 1, name: 'Ten minutes', plan: INLINE_PLAN } })
  @ApiOkResponse({ type: RolloutPlanDto })
  @WriteProblems(412, 428)
  async replace(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('plan') key: string,
    @Body() { name, description, plan, version }: ReplacePlanDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<RolloutPlanDocument> {
    return this.plans.replace(by, project, { key, name, description, plan }, required(ifMatch, version));
  }

  @Delete(':plan')
  @ApiParam({ name: 'plan', example: 'ten-minutes' })
  @HttpCode(204)
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Delete a plan' })
  @ApiNoContentResponse({ description: 'It is gone.' })
  @WriteProblems(412)
  async delete(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('plan') plan: string,
    @Query() _query: CommentQueryDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<void> {
    await this.plans.delete(by, project, plan, optional(ifMatch));
  }
}
