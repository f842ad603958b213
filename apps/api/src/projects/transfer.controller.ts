import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ExportStore, ImportStore, type Actor, type Grant, type Imported, type ProjectExport } from '@fledge/store';
import { CurrentGrant, ForRole } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { BodyExamples, IdempotencyHeader, ReadProblems, WriteProblems } from '../http/openapi.js';
import { toImport } from './import-request.js';
import { ImportedDto, ImportProjectDto, ProjectExportDto } from './transfer.dto.js';

const EXAMPLE = {
  format: 1,
  project: { key: 'mobile', name: 'Mobile apps', description: '' },
  environments: [{ key: 'production', name: 'Production', description: '', protected: false }],
  cohorts: [
    {
      key: 'staff',
      name: 'Staff',
      description: '',
      attribute: 'targetingKey',
      rules: [],
      included: ['user-1'],
      excluded: [],
    },
  ],
  flags: [
    {
      key: 'new-menu',
      type: 'boolean',
      name: 'New menu',
      description: '',
      variants: { on: true, off: false },
      variantInfo: {},
      defaultVariant: 'on',
      tags: [],
      permanent: false,
      owner: null,
      metadata: {},
      archived: false,
      targeting: {
        production: {
          enabled: true,
          offVariant: 'off',
          prerequisites: [],
          rules: [{ id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } }],
          fallthrough: { variant: 'off' },
        },
      },
    },
  ],
};

/** Projects as documents. */
@ApiTags('Projects')
@ApiParam({ name: 'project', example: 'default' })
@Controller('api/v1/projects/:project')
export class TransferController {
  constructor(
    private readonly exports: ExportStore,
    private readonly imports: ImportStore,
  ) {}

  @Get('export')
  @ForRole('viewer')
  @ApiOperation({
    summary: 'A project as one document',
    description:
      'Environments, flags with their targeting, cohorts with their members; no tokens, no log, no versions: the same project anywhere is the same bytes.',
  })
  @ApiOkResponse({ type: ProjectExportDto })
  @ReadProblems()
  export(@Param('project') project: string, @CurrentGrant() grant: Grant): Promise<ProjectExport> {
    return this.exports.export(
      project,
      grant.environments?.map(({ key }) => key),
    );
  }

  @Post('import')
  @HttpCode(200)
  @ForRole('admin')
  @IdempotencyHeader()
  @ApiOperation({
    summary: 'Make a project what a document says',
    description:
      'What an export answered, into the project of the path, which is made when it is missing: all of it or nothing. What the document does not name is left alone; ' +
      'nothing is deleted. Every problem is named with its pointer. Each thing made or changed is a change of its own in the log.',
  })
  @BodyExamples(ImportProjectDto, { 'Only a look': { ...EXAMPLE, dryRun: true }, 'A project': EXAMPLE })
  @ApiOkResponse({ type: ImportedDto })
  @WriteProblems()
  async import(
    @By() by: Actor,
    @Param('project') project: string,
    @Body() body: ImportProjectDto,
  ): Promise<Imported & { warnings: [] }> {
    return { ...(await this.imports.import(by, project, toImport(body), { dryRun: body.dryRun })), warnings: [] };
  }
}
