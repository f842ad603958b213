import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { FlagStore, type Actor, type FlagDocument, type Page } from '@fledge/store';
import { ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { CommentDto, ForceDto } from '../http/comment.dto.js';
import {
  BodyExamples,
  CommentBody,
  IdempotencyHeader,
  IfMatchApi,
  pageOf,
  DocumentProblems,
  ReadProblems,
  WriteProblems,
} from '../http/openapi.js';
import { CommentQueryDto, FlagQueryDto } from '../http/page.query.js';
import { IfMatchHeader, optional, type IfMatch } from '../http/preconditions.js';
import { CreateFlagDto, FlagDto, UpdateFlagDto } from './flag.dto.js';

@ApiTags('Flags')
@ApiParam({ name: 'project', example: 'default' })
@Controller('api/v1/projects/:project/flags')
export class FlagsController {
  constructor(private readonly flags: FlagStore) {}

  @Get()
  @ForRole('viewer')
  @ApiOperation({ summary: 'List flags', description: 'Sorted by key, name, createdAt or updatedAt.' })
  @ApiOkResponse({ type: pageOf(FlagDto) })
  @ReadProblems()
  list(@Param('project') project: string, @Query() query: FlagQueryDto): Promise<Page<FlagDocument>> {
    return this.flags.list(project, query);
  }

  @Post()
  @ForRole('editor')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Make a flag',
    description: 'It is disabled in every environment. A boolean flag needs no variants: it has on and off.',
  })
  @BodyExamples(CreateFlagDto, {
    'On or off': {
      key: 'new-checkout',
      name: 'New checkout',
      type: 'boolean',
      tags: ['payments'],
      owner: 'team-payments',
    },
    'One of several texts': { key: 'banner', type: 'string', variants: { plain: 'Hello', loud: 'HELLO' } },
  })
  @ApiCreatedResponse({ type: FlagDto })
  @WriteProblems()
  create(@By() by: Actor, @Param('project') project: string, @Body() body: CreateFlagDto): Promise<FlagDocument> {
    return this.flags.create(by, project, body);
  }

  @Get(':flag')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @ForRole('viewer')
  @ApiOperation({ summary: 'Show a flag', description: 'The part that all environments share.' })
  @ApiOkResponse({ type: FlagDto })
  @DocumentProblems()
  get(@Param('project') project: string, @Param('flag') flag: string): Promise<FlagDocument> {
    return this.flags.get(project, flag);
  }

  @Patch(':flag')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Edit what all environments share',
    description: 'A merge patch. A variant that anything serves or names cannot be removed: 409 with every reference.',
  })
  @BodyExamples(UpdateFlagDto, { 'Tags and metadata': { tags: ['payments', 'web'], metadata: { jira: 'PAY-8' } } })
  @ApiOkResponse({ type: FlagDto })
  @WriteProblems(412)
  update(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('flag') flag: string,
    @Body() body: UpdateFlagDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<FlagDocument> {
    return this.flags.update(by, project, flag, body, optional(ifMatch));
  }

  @Delete(':flag')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @HttpCode(204)
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Delete an archived flag for good' })
  @ApiNoContentResponse({ description: 'It is gone.' })
  @WriteProblems(412)
  async delete(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('flag') flag: string,
    @Query() _query: CommentQueryDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<void> {
    await this.flags.delete(by, project, flag, optional(ifMatch));
  }

  @Post(':flag/archive')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @HttpCode(200)
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Take a flag out of every environment',
    description:
      "SDKs then answer the caller's default. Refused while a prerequisite of another flag names it or a rollout lives, unless that is forced to end.",
  })
  @CommentBody(ForceDto)
  @ApiOkResponse({ type: FlagDto })
  @WriteProblems(412)
  archive(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('flag') flag: string,
    @Body() { force }: ForceDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<FlagDocument> {
    return this.flags.archive(by, project, flag, optional(ifMatch), force === true);
  }

  @Post(':flag/restore')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @HttpCode(200)
  @ForRole('editor')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Bring an archived flag back, disabled everywhere' })
  @CommentBody(CommentDto)
  @ApiOkResponse({ type: FlagDto })
  @WriteProblems(412)
  restore(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('flag') flag: string,
    @Body() _body: CommentDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<FlagDocument> {
    return this.flags.restore(by, project, flag, optional(ifMatch));
  }
}
