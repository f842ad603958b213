import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { ProjectStore, type Actor, type Grant, type Page, type ProjectDocument } from '@fledge/store';
import { CurrentGrant, ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { refuseUnconfirmed } from '../http/confirm.js';
import {
  BodyExamples,
  IdempotencyHeader,
  IfMatchApi,
  pageOf,
  Problems,
  DocumentProblems,
  WriteProblems,
} from '../http/openapi.js';
import { ConfirmQueryDto, SearchQueryDto } from '../http/page.query.js';
import { IfMatchHeader, optional, type IfMatch } from '../http/preconditions.js';
import { CreateProjectDto, ProjectDto, UpdateProjectDto } from './project.dto.js';

@ApiTags('Projects')
@Controller('api/v1/projects')
export class ProjectsController {
  constructor(private readonly projects: ProjectStore) {}

  @Get()
  @ForRole('viewer')
  @ApiOperation({ summary: 'List projects' })
  @ApiOkResponse({ type: pageOf(ProjectDto) })
  @Problems(400, 401, 403, 503)
  list(@Query() query: SearchQueryDto, @CurrentGrant() grant: Grant): Promise<Page<ProjectDocument>> {
    return this.projects.list(query, grant.project?.id);
  }

  @Post()
  @ForRole('admin', true)
  @IdempotencyHeader()
  @ApiOperation({ summary: 'Make a project', description: 'It begins without environments.' })
  @BodyExamples(CreateProjectDto, { 'A project': { key: 'mobile', name: 'Mobile apps' } })
  @ApiCreatedResponse({ type: ProjectDto })
  @WriteProblems()
  create(@By() by: Actor, @Body() body: CreateProjectDto): Promise<ProjectDocument> {
    return this.projects.create(by, body);
  }

  @Get(':project')
  @ApiParam({ name: 'project', example: 'default' })
  @ForRole('viewer')
  @ApiOperation({ summary: 'Show a project' })
  @ApiOkResponse({ type: ProjectDto })
  @DocumentProblems()
  get(@Param('project') project: string): Promise<ProjectDocument> {
    return this.projects.get(project);
  }

  @Patch(':project')
  @ApiParam({ name: 'project', example: 'default' })
  @ForRole('admin')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Rename or describe a project' })
  @BodyExamples(UpdateProjectDto, { 'A new name': { name: 'Web shop' } })
  @ApiOkResponse({ type: ProjectDto })
  @WriteProblems(412)
  update(
    @By() by: Actor,
    @Param('project') project: string,
    @Body() body: UpdateProjectDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<ProjectDocument> {
    return this.projects.update(by, project, body, optional(ifMatch));
  }

  @Delete(':project')
  @ApiParam({ name: 'project', example: 'default' })
  @HttpCode(204)
  @ForRole('admin', true)
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Delete a project with everything in it',
    description:
      'Needs ?confirm=<key>; while a rollout lives also ?force=true. Its SDK keys stop working; its change log stays.',
  })
  @ApiNoContentResponse({ description: 'It is gone.' })
  @WriteProblems(412)
  async delete(
    @By() by: Actor,
    @Param('project') project: string,
    @Query() query: ConfirmQueryDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<void> {
    refuseUnconfirmed(project, query.confirm);
    await this.projects.delete(by, project, optional(ifMatch), query.force);
  }
}
