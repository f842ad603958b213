import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ExposureStore, type Every, type TargetingRef } from '@fledge/store';
import { ForRole } from '../auth/access.js';
import { ReadProblems } from '../http/openapi.js';
import { RequestError } from '../http/problem.js';
import { ExposuresDto, ExposuresQueryDto } from './exposures.dto.js';

const HOUR_MS = 3_600_000;

/** The longest chart of each kind: as long as its windows are kept. */
const LONGEST_MS: Readonly<Record<Every, number>> = { minute: 24 * HOUR_MS, hour: 31 * 24 * HOUR_MS };
const FINE_UP_TO_MS = 6 * HOUR_MS;

@ApiTags('Targeting')
@ApiParam({ name: 'project', example: 'default' })
@ApiParam({ name: 'environment', example: 'production' })
@Controller('api/v1/projects/:project/environments/:environment/flags')
export class ExposuresController {
  constructor(private readonly exposures: ExposureStore) {}

  @Get(':flag/exposures')
  @ForRole('viewer')
  @ApiParam({ name: 'flag', example: 'new-checkout' })
  @ApiOperation({
    summary: 'See how often each variant is served',
    description:
      'For a chart: what SDKs reported, by minute or hour in UTC, ten seconds or so behind. An evaluation without a snapshot or of a flag that does not exist is not counted, nor is one of `evaluateAll`.',
  })
  @ApiOkResponse({ type: ExposuresDto })
  @ReadProblems()
  async list(@Param() place: TargetingRef, @Query() query: ExposuresQueryDto): Promise<ExposuresDto> {
    const to = query.to === undefined ? new Date() : new Date(query.to.toUpperCase());
    const from = query.from === undefined ? new Date(to.getTime() - HOUR_MS) : new Date(query.from.toUpperCase());
    const every = query.every ?? (to.getTime() - from.getTime() <= FINE_UP_TO_MS ? 'minute' : 'hour');
    refuseRange(from, to, every);
    const items = await this.exposures.list(place, every, from, to);
    return { flag: place.flag, every, from: from.toISOString(), to: to.toISOString(), items: [...items] };
  }
}

function refuseRange(from: Date, to: Date, every: Every): void {
  const hours = LONGEST_MS[every] / HOUR_MS;
  const range = to.getTime() - from.getTime();
  if (range > 0 && range <= LONGEST_MS[every]) return;
  const message = `Expected an instant before \`to\`, and at most ${hours} hours before it for windows of one ${every}.`;
  throw new RequestError(400, 'bad_request', `/from: ${message}`, {
    errors: [{ pointer: '/from', code: 'out_of_range', message }],
  });
}
