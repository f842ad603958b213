import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { describeChanges, whoMoves, whoMovesText } from '@fledge/evaluation';
import { TargetingStore, type TargetingRef } from '@fledge/store';
import { ForRole } from '../auth/access.js';
import { BodyExamples, QuestionProblems } from '../http/openapi.js';
import { PreviewAnswerDto, PreviewDto } from './preview.dto.js';
import { PREVIEW_EXAMPLE } from './preview.example.js';
import { readTargeting, together } from './preview.js';
import { TARGETING_EXAMPLE } from './targeting.example.js';

const { comment: _, version: __, ...TARGETING } = TARGETING_EXAMPLE;

@ApiTags('Targeting')
@ApiParam({ name: 'project', example: 'default' })
@ApiParam({ name: 'environment', example: 'production' })
@Controller('api/v1/projects/:project/environments/:environment/flags')
export class PreviewController {
  constructor(private readonly targetings: TargetingStore) {}

  @Post(':flag/preview')
  @HttpCode(200)
  @ForRole('viewer')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @ApiOperation({
    summary: 'Ask whom a change would hit, before it is saved',
    description:
      'Answers every problem and warning, the difference in words, and who would get another variant: exact for 100,000 synthetic units, so it needs no user data. Says plainly when somebody would go from one treatment to another, and what edit would move fewer. Saves nothing.',
  })
  @BodyExamples(PreviewDto, { 'Our own team, and 25 % of Germany': { targeting: TARGETING } })
  @ApiOkResponse({ type: PreviewAnswerDto, example: PREVIEW_EXAMPLE })
  @QuestionProblems()
  async preview(@Param() place: TargetingRef, @Body() body: PreviewDto): Promise<PreviewAnswerDto> {
    const { targeting, problems: ofFields } = readTargeting(body.targeting, place);
    const { before, after, snapshot, problems: ofDocument, warnings } = await this.targetings.preview(place, targeting);
    const problems = together(ofFields, ofDocument);
    if (problems.length > 0) return { problems, warnings, diff: [], whoMoves: null, text: '' };
    const moves = whoMoves(before, after, snapshot);
    return { problems, warnings, diff: describeChanges(before, after), whoMoves: moves, text: whoMovesText(moves) };
  }
}
