import { Body, Controller, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import {
  TargetingStore,
  type Actor,
  type FlagState,
  type Grant,
  type Page,
  type TargetingDocument,
  type TargetingRef,
} from '@fledge/store';
import { CurrentGrant, ForRole, refuseForeign } from '../auth/access.js';
import { By } from '../auth/actor.js';
import { CommentDto } from '../http/comment.dto.js';
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
import { FlagQueryDto } from '../http/page.query.js';
import { IfMatchHeader, optional, required, type IfMatch } from '../http/preconditions.js';
import { TARGETING_EXAMPLE } from './targeting.example.js';
import { refuseReadOnly } from './read-only.js';
import { CopyTargetingDto, FlagStateDto, PercentageDto, ReplaceTargetingDto, TargetingDto } from './targeting.dto.js';

/** project, environment and flag, as the path names them. */
type Place = TargetingRef;

@ApiTags('Targeting')
@ApiParam({ name: 'project', example: 'default' })
@ApiParam({ name: 'environment', example: 'production' })
@Controller('api/v1/projects/:project/environments/:environment/flags')
export class TargetingController {
  constructor(private readonly targetings: TargetingStore) {}

  @Get()
  @ForRole('viewer')
  @ApiOperation({ summary: 'List every flag with its state here', description: 'Sorted by key, name or updatedAt.' })
  @ApiOkResponse({ type: pageOf(FlagStateDto) })
  @ReadProblems()
  list(
    @Param('project') project: string,
    @Param('environment') environment: string,
    @Query() query: FlagQueryDto,
  ): Promise<Page<FlagState>> {
    return this.targetings.list(project, environment, query);
  }

  @Get(':flag')
  @ForRole('viewer')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @ApiOperation({ summary: 'Show who gets what here' })
  @ApiOkResponse({ type: TargetingDto })
  @DocumentProblems()
  get(@Param() place: Place): Promise<TargetingDocument> {
    return this.targetings.get(place);
  }

  @Put(':flag')
  @ForRole('editor')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @IdempotencyHeader()
  @IfMatchApi('The ETag that was read. Either this or version in the body is required.')
  @ApiOperation({
    summary: 'Say who gets what here',
    description:
      'Replaces the whole document: read it, edit it, send it back. The version that is replaced must be named.',
  })
  @BodyExamples(ReplaceTargetingDto, { 'Our own team, and 25 % of Germany': TARGETING_EXAMPLE })
  @ApiOkResponse({ type: TargetingDto })
  @WriteProblems(412, 428)
  async replace(
    @By() by: Actor,
    @Param() place: Place,
    @Body() body: ReplaceTargetingDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<TargetingDocument> {
    const expected = required(ifMatch, body.version);
    refuseReadOnly(body, { key: place.flag, environment: place.environment });
    const { enabled, offVariant, prerequisites, rules, fallthrough, measure } = body;
    const wanted = { enabled, offVariant, prerequisites, rules, fallthrough };
    return this.targetings.replace(by, place, measure === undefined ? wanted : { ...wanted, measure }, expected);
  }

  @Post(':flag/enable')
  @HttpCode(200)
  @ForRole('operator')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Turn a flag on here' })
  @CommentBody(CommentDto)
  @ApiOkResponse({ type: TargetingDto })
  @WriteProblems(412)
  enable(
    @By() by: Actor,
    @Param() place: Place,
    @Body() _body: CommentDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<TargetingDocument> {
    return this.targetings.setEnabled(by, place, true, optional(ifMatch));
  }

  @Post(':flag/disable')
  @HttpCode(200)
  @ForRole('operator')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({ summary: 'Turn a flag off here', description: 'Everybody gets the off variant.' })
  @CommentBody(CommentDto)
  @ApiOkResponse({ type: TargetingDto })
  @WriteProblems(412)
  disable(
    @By() by: Actor,
    @Param() place: Place,
    @Body() _body: CommentDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<TargetingDocument> {
    return this.targetings.setEnabled(by, place, false, optional(ifMatch));
  }

  @Post(':flag/percentage')
  @HttpCode(200)
  @ForRole('operator')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: 'Turn a flag on for a percentage',
    description:
      'Writes the last rule, with the reserved id "percentage", and sets the fallthrough to the off variant. Raising the percentage only adds users.',
  })
  @BodyExamples(PercentageDto, { 'A first wave': { percentage: 12.5, comment: 'first wave' } })
  @ApiOkResponse({ type: TargetingDto })
  @WriteProblems(412)
  percentage(
    @By() by: Actor,
    @Param() place: Place,
    @Body() { comment: _, ...wanted }: PercentageDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<TargetingDocument> {
    return this.targetings.setPercentage(by, place, wanted, optional(ifMatch));
  }

  @Post(':flag/copy')
  @HttpCode(200)
  @ForRole('editor')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @IdempotencyHeader()
  @IfMatchApi()
  @ApiOperation({
    summary: "Copy a flag's targeting from another environment",
    description: 'Rules, prerequisites, off variant and fallthrough; enabled stays as it is here.',
  })
  @BodyExamples(CopyTargetingDto, { 'From development': { from: 'development' } })
  @ApiOkResponse({ type: TargetingDto })
  @WriteProblems(412)
  async copy(
    @By() by: Actor,
    @CurrentGrant() grant: Grant,
    @Param() place: Place,
    @Body() { from }: CopyTargetingDto,
    @IfMatchHeader() ifMatch: IfMatch,
  ): Promise<TargetingDocument> {
    refuseForeign(grant, from);
    return this.targetings.copy(by, place, from, optional(ifMatch));
  }
}
