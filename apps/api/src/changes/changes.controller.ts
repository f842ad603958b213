import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ChangeStore, type ChangeDocument, type Grant, type Page } from '@fledge/store';
import { CurrentGrant, ForRole } from '../auth/access.js';
import { pageOf, Problems, ReadProblems } from '../http/openapi.js';
import { ChangeDto, ChangeQueryDto } from './change.dto.js';

const ChangePage = pageOf(ChangeDto);

@ApiTags('Changes')
@Controller('api/v1')
export class ChangesController {
  constructor(private readonly changes: ChangeStore) {}

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
    return this.changes.list(
      query,
      project,
      grant.environments?.map(({ key }) => key),
    );
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
}
