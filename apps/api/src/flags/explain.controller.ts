import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { explain, traceText } from '@fledge/evaluation';
import { HistoryStore, type TargetingRef } from '@fledge/store';
import { ForRole } from '../auth/access.js';
import { BodyExamples, QuestionProblems } from '../http/openapi.js';
import { ExplainDto, ExplanationDto } from './explain.dto.js';

@ApiTags('Targeting')
@ApiParam({ name: 'project', example: 'default' })
@ApiParam({ name: 'environment', example: 'production' })
@Controller('api/v1/projects/:project/environments/:environment/flags')
export class ExplainController {
  constructor(private readonly history: HistoryStore) {}

  @Post(':flag/explain')
  @HttpCode(200)
  @ForRole('viewer')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @ApiOperation({
    summary: 'Ask why somebody gets what they get, now or then',
    description:
      'Answers the evaluation and every step that led to it, as targeting and cohorts stood at that moment or version. A flag that did not exist or was archived then answers FLAG_NOT_FOUND. `$now` is the moment unless the context brings its own. 404 before the first version.',
  })
  @BodyExamples(ExplainDto, {
    Now: { context: { targetingKey: 'user-7', country: 'DE' } },
    'At an earlier version': { context: { targetingKey: 'user-7', country: 'DE' }, version: 1 },
  })
  @ApiOkResponse({ type: ExplanationDto })
  @QuestionProblems()
  async explain(@Param() place: TargetingRef, @Body() { context, at, version }: ExplainDto): Promise<ExplanationDto> {
    const snapshot = await this.history.snapshotOf(place.project, place.environment, place.flag, { at, version });
    const now = at === undefined ? Date.now() : Date.parse(at.toUpperCase());
    const { evaluation, trace } = explain(snapshot, place.flag, context, now);
    const answer = { evaluation, trace, text: traceText(trace), version: snapshot.version };
    return at === undefined ? answer : { ...answer, at };
  }
}
