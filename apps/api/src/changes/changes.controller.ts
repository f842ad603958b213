import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { ChangeStore, RevertStore, type Actor, type ChangeDocument, type Grant, type Page } from '@fledge/store';
import type { FastifyReply } from 'fastify';
import { CurrentGrant, ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { BodyExamples, IdempotencyHeader, pageOf, Problems, ReadProblems, WriteProblems } from '../http/openapi.js';
import { ChangeDto, ChangeFilterDto, ChangeQueryDto, RevertDto, RevertedDto } from './change.dto.js';
import { NDJSON, ndjson } from './ndjson.js';
import { refuseRevert } from './revert-access.js';

const ChangePage = pageOf(ChangeDto);
const EXPORT = {
  summary: 'Export changes',
  description:
    'One JSON document per line, the oldest first, streamed. Takes the filters of the list. A change that is written meanwhile may be missing: name an end with until.',
};
const EXPORTED = {
  description: 'The changes, of which each line is one.',
  content: { [NDJSON]: { schema: { $ref: getSchemaPath(ChangeDto) } } },
};
const REVERT = {
  summary: 'Undo a change',
  description:
    'Takes back field by field what the change did, as a new change; what others did beside it stays. 409 names the later changes that are in the way. ' +
    'Needs an editor; an admin for changes of projects, environments, tokens and webhooks. A token that was made is revoked. What has no way back is refused with what to do instead.',
};
const REVERT_EXAMPLES = { 'Only a look': { dryRun: true }, 'With a reason': { comment: 'it broke the checkout' } };

@ApiTags('Changes')
@Controller('api/v1')
export class ChangesController {
  constructor(
    private readonly changes: ChangeStore,
    private readonly reverts: RevertStore,
  ) {}

  @Get('projects/:project/changes')
  @ApiParam({ name: 'project', example: 'default' })
  @ForRole('viewer')
  @ApiOperation({ summary: 'Who changed what, when and why', description: 'The newest first.' })
  @ApiOkResponse({ type: ChangePage })
  @ReadProblems()
  ofProject(
    @Param('project') project: string,
    @Query() query: ChangeQueryDto,
    @CurrentGrant() grant: Grant,
  ): Promise<Page<ChangeDocument>> {
    return this.changes.list(query, project, environmentsOf(grant));
  }

  @Get('projects/:project/changes/export')
  @ApiParam({ name: 'project', example: 'default' })
  @ForRole('viewer')
  @ApiOperation(EXPORT)
  @ApiOkResponse(EXPORTED)
  @ReadProblems()
  exportOfProject(
    @Param('project') project: string,
    @Query() query: ChangeFilterDto,
    @CurrentGrant() grant: Grant,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return ndjson(reply, `changes-${project}`, this.changes.every(query, project, environmentsOf(grant)));
  }

  @Get('projects/:project/changes/:change')
  @ApiParam({ name: 'project', example: 'default' })
  @ApiParam({ name: 'change', example: '42' })
  @ForRole('viewer')
  @ApiOperation({ summary: 'Show a change' })
  @ApiOkResponse({ type: ChangeDto })
  @ReadProblems()
  get(
    @Param('project') project: string,
    @Param('change') change: string,
    @CurrentGrant() grant: Grant,
  ): Promise<ChangeDocument> {
    return this.changes.get(change, project, environmentsOf(grant));
  }

  @Post('projects/:project/changes/:change/revert')
  @HttpCode(200)
  @ApiParam({ name: 'project', example: 'default' })
  @ApiParam({ name: 'change', example: '42' })
  @ForRole('editor')
  @IdempotencyHeader()
  @ApiOperation(REVERT)
  @BodyExamples(RevertDto, REVERT_EXAMPLES)
  @ApiOkResponse({ type: RevertedDto })
  @WriteProblems()
  async revert(
    @By() by: Actor,
    @CurrentGrant() grant: Grant,
    @Param('project') project: string,
    @Param('change') change: string,
    @Body() { dryRun }: RevertDto,
  ): Promise<ChangeDocument & { warnings: [] }> {
    refuseRevert(grant, await this.changes.get(change, project, environmentsOf(grant)));
    return { ...(await this.reverts.revert(by, change, { project, dryRun })), warnings: [] };
  }

  @Get('changes')
  @ForRole('admin', true)
  @ApiOperation({
    summary: 'Every change there ever was',
    description: 'Also of projects that are gone. The newest first.',
  })
  @ApiOkResponse({ type: ChangePage })
  @Problems(400, 401, 403, 503)
  all(@Query() query: ChangeQueryDto): Promise<Page<ChangeDocument>> {
    return this.changes.list(query);
  }

  @Get('changes/export')
  @ForRole('admin', true)
  @ApiOperation({ ...EXPORT, summary: 'Export every change there ever was' })
  @ApiOkResponse(EXPORTED)
  @Problems(400, 401, 403, 503)
  exportAll(@Query() query: ChangeFilterDto, @Res() reply: FastifyReply): Promise<void> {
    return ndjson(reply, 'changes', this.changes.every(query));
  }

  @Post('changes/:change/revert')
  @HttpCode(200)
  @ApiParam({ name: 'change', example: '42' })
  @ForRole('admin', true)
  @IdempotencyHeader()
  @ApiOperation({
    ...REVERT,
    summary: 'Undo any change',
    description: `${REVERT.description} Also that a project was deleted.`,
  })
  @BodyExamples(RevertDto, REVERT_EXAMPLES)
  @ApiOkResponse({ type: RevertedDto })
  @WriteProblems()
  async revertAny(
    @By() by: Actor,
    @Param('change') change: string,
    @Body() { dryRun }: RevertDto,
  ): Promise<ChangeDocument & { warnings: [] }> {
    return { ...(await this.reverts.revert(by, change, { dryRun })), warnings: [] };
  }
}

/** The environments whose changes the token may see; undefined: all. */
const environmentsOf = ({ environments }: Grant): string[] | undefined => environments?.map(({ key }) => key);
