import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import {
  EnvironmentStore,
  RestoreStore,
  type Actor,
  type EnvironmentDocument,
  type Page,
  type RestoredEnvironment,
} from '@fledge/store';
import { ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { refuseUnconfirmed } from '../http/confirm.js';
import {
  BodyExamples,
  IdempotencyHeader,
  IfMatchApi,
  pageOf,
  DocumentProblems,
  ReadProblems,
  WriteProblems,
} from '../http/openapi.js';
import { ConfirmQueryDto, SearchQueryDto } from '../http/page.query.js';
import { IfMatchHeader, optional, type IfMatch } from '../http/preconditions.js';
import { RequestError } from '../http/problem.js';
import {
  CreateEnvironmentDto,
  EnvironmentDto,
  RestoredEnvironmentDto,
  RestoreEnvironmentDto,
  UpdateEnvironmentDto,
} from './environment.dto.js';

@ApiTags('Environments')
@ApiParam({ name: 'project', example: 'default' })
@Controller('api/v1/projects/:project/environments')
export class EnvironmentsController {
  constructor(
    private readonly environments: EnvironmentStore,
    private readonly restores: RestoreStore,
  ) {}

  @Get()
  @ForRole('viewer')
  @ApiOperation({ summary: 'List environments' })
  @ApiOkResponse({ type: pageOf(EnvironmentDto) })
  @ReadProblems()
  list(@Param('project') project: string, @Query() query: SearchQueryDto): Promise<Page<EnvironmentDocument>> {
    return this.environments.list(project, query);
  }

  @Post()
  @ForRole('admin')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Make an environment',
    description: 'Every flag of the project is in it, disabled or as in copyFrom.',
  })
  @BodyExamples(CreateEnvironmentDto, {
    'Like production, all disabled': { key: 'staging', name: 'Staging', copyFrom: 'production', keepEnabled: false },
  })
  @ApiCreatedResponse({ type: EnvironmentDto })
  @WriteProblems()
  create(
    @By() by: Actor,
    @Param('project') project: string,
    @Body() body: CreateEnvironmentDto,
  ): Promise<EnvironmentDocument> {
    return this.environments.create(by, project, body);
  }

  @Get(':environment')
  @ApiParam({ name: 'environment', example: 'production' })
  @ForRole('viewer')
  @ApiOperation({ summary: 'Show an environment' })
  @ApiOkResponse({ type: EnvironmentDto })
  @DocumentProblems()
  get(@Param('project') project: string, @Param('environment') environment: string): Promise<EnvironmentDocument> {
    return this.environments.get(project, environment);
  }

  @Patch(':environment')
  @ApiParam({ name: 'environment', example: 'production' })
  @ForRole('admin')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Rename, describe or protect an environment',
    description: 'In a protected environment every change needs a comment, lifting the protection too.',
  })
  @BodyExamples(UpdateEnvironmentDto, {
    'A description': { description: 'What customers see.' },
    'Ask why from now on': { protected: true, comment: 'goes live today' },
  })
  @ApiOkResponse({ type: EnvironmentDto })
  @WriteProblems(412)
  update(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('environment') environment: string,
    @Body() body: UpdateEnvironmentDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<EnvironmentDocument> {
    return this.environments.update(by, project, environment, body, optional(ifMatch));
  }

  @Delete(':environment')
  @ApiParam({ name: 'environment', example: 'production' })
  @HttpCode(204)
  @ForRole('admin')
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Delete an environment with its targeting',
    description:
      'Needs ?confirm=<key>, while a rollout lives also ?force=true. Its SDK keys stop working; its change log stays. Refused while it is protected.',
  })
  @ApiNoContentResponse({ description: 'It is gone.' })
  @WriteProblems(412)
  async delete(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('environment') environment: string,
    @Query() query: ConfirmQueryDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<void> {
    refuseUnconfirmed(environment, query.confirm);
    await this.environments.delete(by, project, environment, optional(ifMatch), query.force);
  }

  @Post(':environment/restore')
  @HttpCode(200)
  @ApiParam({ name: 'environment', example: 'production' })
  @ForRole('editor')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Bring an environment back to how it stood',
    description:
      'Gives every flag the targeting it had at a version or an instant, as one change; a flag that was not served then is disabled. ' +
      'What all environments share stays as it is: definitions of flags, cohorts and their members.',
  })
  @BodyExamples(RestoreEnvironmentDto, {
    'Only a look': { version: 1, dryRun: true },
    'To a version': { version: 1, comment: 'start over' },
  })
  @ApiOkResponse({ type: RestoredEnvironmentDto })
  @WriteProblems()
  restore(
    @By() by: Actor,
    @Param('project') project: string,
    @Param('environment') environment: string,
    @Body() { version, at, dryRun }: RestoreEnvironmentDto,
  ): Promise<RestoredEnvironment> {
    if ((version === undefined) === (at === undefined)) {
      const message = 'Expected either a version or an instant (at).';
      throw new RequestError(422, 'invalid', message, { errors: [{ pointer: '', code: 'either', message }] });
    }
    return this.restores.restore(by, project, environment, { version, at }, { dryRun: dryRun === true });
  }
}
