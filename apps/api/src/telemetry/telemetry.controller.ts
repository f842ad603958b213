import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Grant } from '@fledge/store';
import type { FastifyRequest } from 'fastify';
import { CurrentGrant, environmentOf, ForSdk } from '../auth/access.js';
import { BodyExamples, Problems } from '../http/openapi.js';
import { TelemetryIntake, type Sender } from './intake.js';
import {
  EXPOSURE_EXAMPLES,
  ExposureReportDto,
  OUTCOME_EXAMPLES,
  OutcomeReportDto,
  ReceiptDto,
} from './telemetry.dto.js';

/** What SDKs report. A report is answered when it is durable. */
@ApiTags('SDK')
@Controller('sdk/v1')
export class TelemetryController {
  constructor(private readonly intake: TelemetryIntake) {}

  @Post('outcomes')
  @HttpCode(202)
  @ForSdk()
  @ApiOperation({
    summary: 'Report what rollouts watch',
    description:
      'Sums since the last report, at most 256 KiB. A report is counted once for its id, in the window in which it arrives; what it says of rollouts and epochs that the environment does not have is passed over.',
  })
  @BodyExamples(OutcomeReportDto, OUTCOME_EXAMPLES)
  @ApiResponse({ status: 202, description: 'Counted, now or before.', type: ReceiptDto })
  @Problems(400, 401, 403, 413, 415, 422, 429, 503)
  outcomes(@CurrentGrant() grant: Grant, @Req() request: FastifyRequest): Promise<ReceiptDto> {
    return this.intake.outcomes(request.body, senderOf(grant, request));
  }

  @Post('exposures')
  @HttpCode(202)
  @ForSdk()
  @ApiOperation({
    summary: 'Report how often flags served variants',
    description:
      'Counts since the last report, at most 256 KiB. A report is counted once for its id; flags and variants that do not exist are passed over.',
  })
  @BodyExamples(ExposureReportDto, EXPOSURE_EXAMPLES)
  @ApiResponse({ status: 202, description: 'Counted, now or before.', type: ReceiptDto })
  @Problems(400, 401, 403, 413, 415, 422, 429, 503)
  exposures(@CurrentGrant() grant: Grant, @Req() request: FastifyRequest): Promise<ReceiptDto> {
    return this.intake.exposures(request.body, senderOf(grant, request));
  }
}

const senderOf = (grant: Grant, { rawBody }: FastifyRequest): Sender => ({
  environmentId: environmentOf(grant),
  tokenId: grant.id,
  bytes: rawBody?.length ?? 0,
});
