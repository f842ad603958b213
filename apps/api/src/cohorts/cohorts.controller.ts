import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import {
  CohortStore,
  type Actor,
  type CohortDocument,
  type Member,
  type MembersAnswer,
  type Page,
} from '@fledge/store';
import { ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { refuseReadOnly } from '../flags/read-only.js';
import {
  BodyExamples,
  IdempotencyHeader,
  IfMatchApi,
  pageOf,
  DocumentProblems,
  ReadProblems,
  WriteProblems,
} from '../http/openapi.js';
import { CommentQueryDto, SearchQueryDto } from '../http/page.query.js';
import { IfMatchHeader, optional, required, type IfMatch } from '../http/preconditions.js';
import {
  ChangeMembersDto,
  CohortDto,
  CreateCohortDto,
  MemberDto,
  MemberQueryDto,
  MembersAnswerDto,
  ReplaceCohortDto,
} from './cohort.dto.js';

const COHORT_BODY = {
  name: 'Our own team',
  included: ['user-1'],
  excluded: [],
  rules: [{ conditions: [{ attribute: 'email', operator: 'ends_with', values: ['@example.com'] }] }],
};
const COHORT_EXAMPLE = { key: 'staff', ...COHORT_BODY };

@ApiTags('Cohorts')
@ApiParam({ name: 'project', example: 'default' })
@Controller('api/v1/projects/:project/cohorts')
export class CohortsController {
  constructor(private readonly cohorts: CohortStore) {}

  @Get()
  @ForRole('viewer')
  @ApiOperation({ summary: 'List cohorts', description: 'Sorted by key, name, createdAt or updatedAt.' })
  @ApiOkResponse({ type: pageOf(CohortDto) })
  @ReadProblems()
  list(@Param('project') project: string, @Query() query: SearchQueryDto): Promise<Page<CohortDocument>> {
    return this.cohorts.list(project, query);
  }

  @Post()
  @ForRole('editor')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Make a cohort',
    description: 'A named set of units that the rules of any flag of the project may name.',
  })
  @BodyExamples(CreateCohortDto, { 'Our own team': COHORT_EXAMPLE })
  @ApiCreatedResponse({ type: CohortDto })
  @WriteProblems()
  create(@By() by: Actor, @Param('project') project: string, @Body() body: CreateCohortDto): Promise<CohortDocument> {
    return this.cohorts.create(by, project, body);
  }

  @Get(':cohort')
  @ApiParam({ name: 'cohort', example: 'staff' })
  @ForRole('viewer')
  @ApiOperation({ summary: 'Show a cohort' })
  @ApiOkResponse({ type: CohortDto })
  @DocumentProblems()
  get(@Param('project') project: string, @Param('cohort') cohort: string): Promise<CohortDocument> {
    return this.cohorts.get(project, cohort);
  }

  @Put(':cohort')
  @ApiParam({ name: 'cohort', example: 'staff' })
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi('The ETag that was read. Either this or version in the body is required.')
  @ApiOperation({
    summary: 'Say who is in a cohort',
    description:
      'Replaces the document, and the lists that the body brings. The version that is replaced must be named.',
  })
  @BodyExamples(ReplaceCohortDto, { 'Another name': { ...COHORT_BODY, version: 1, name: 'Everybody here' } })
  @ApiOkResponse({ type: CohortDto })
  @WriteProblems(412, 428)
  async replace(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('cohort') cohort: string,
    @Body() body: ReplaceCohortDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<CohortDocument> {
    const expected = required(ifMatch, body.version);
    refuseReadOnly(body, { key: cohort, project });
    const { name, description, attribute, rules, included, excluded } = body;
    return this.cohorts.replace(
      by,
      project,
      cohort,
      { key: cohort, name, description, attribute, rules, included, excluded },
      expected,
    );
  }

  @Delete(':cohort')
  @ApiParam({ name: 'cohort', example: 'staff' })
  @HttpCode(204)
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Delete a cohort',
    description: 'Refused while any flag or cohort names it: 409 with every reference.',
  })
  @ApiNoContentResponse({ description: 'It is gone.' })
  @WriteProblems(412)
  async delete(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('cohort') cohort: string,
    @Query() _query: CommentQueryDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<void> {
    await this.cohorts.delete(by, project, cohort, optional(ifMatch));
  }

  @Get(':cohort/members')
  @ApiParam({ name: 'cohort', example: 'staff' })
  @ForRole('viewer')
  @ApiOperation({ summary: 'List the members', description: 'In the order in which they were added.' })
  @ApiOkResponse({ type: pageOf(MemberDto) })
  @ReadProblems()
  members(
    @Param('project') project: string,
    @Param('cohort') cohort: string,
    @Query() query: MemberQueryDto,
  ): Promise<Page<Member>> {
    return this.cohorts.members(project, cohort, query);
  }

  @Post(':cohort/members')
  @ApiParam({ name: 'cohort', example: 'staff' })
  @HttpCode(200)
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Add and remove members',
    description: 'One change for the whole batch; SDKs are sent only the units that came and went.',
  })
  @BodyExamples(ChangeMembersDto, { 'Two more': { list: 'included', add: ['user-2', 'user-3'] } })
  @ApiOkResponse({ type: MembersAnswerDto })
  @WriteProblems(412)
  changeMembers(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('cohort') cohort: string,
    @Body() { list, add, remove }: ChangeMembersDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<MembersAnswer> {
    return this.cohorts.changeMembers(
      by,
      project,
      cohort,
      { list, add: add ?? [], remove: remove ?? [] },
      optional(ifMatch),
    );
  }
}
