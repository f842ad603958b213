import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { IsKey, IsPresent, IsText, MayBeAbsent } from '../http/strings.js';

/** These classes describe plans for the OpenAPI document; plans are judged by libs/canary. */

class StageDto {
  @ApiProperty({ example: 5, description: 'Strictly rising; 100 is the last and completes the rollout.' })
  percentage!: number;

  @ApiPropertyOptional({ example: '1h', default: '30m' })
  minBake?: string;

  @ApiPropertyOptional({ type: String, nullable: true, description: 'Default: 4 × minBake, at least 1h.' })
  maxBake?: string | null;

  @ApiPropertyOptional({
    type: 'object',
    properties: { requests: { type: 'integer' }, units: { type: 'integer' } },
    description: 'The least that the stage must have seen of the canary. Default: 500 requests and 100 units.',
  })
  minSamples?: object;

  @ApiPropertyOptional({
    oneOf: [
      { type: 'string', enum: ['none'] },
      { type: 'object', additionalProperties: true },
    ],
    description: '"none", {"powered": {"ratio": 2}} or {"proven": {"relative": 1, "absolute": 0.0005}}.',
  })
  evidence?: unknown;

  @ApiPropertyOptional({ enum: ['hold', 'advance', 'rollback'], default: 'hold' })
  onInconclusive?: string;

  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'object', additionalProperties: true },
    description: 'What must be open before this stage is left: calendar windows, webhooks, approvals.',
  })
  gates?: object[];
}

/** How a canary grows, what watches it, and how long. */
export class PlanDto {
  @ApiProperty({ type: [StageDto] })
  stages!: StageDto[];

  @ApiPropertyOptional({
    type: 'array',
    items: {
      type: 'object',
      properties: { metric: { type: 'string' } },
      required: ['metric'],
      additionalProperties: true,
    },
    description: 'Default: errors and p95 latency, both roll back.',
  })
  guardrails?: object[];

  @ApiPropertyOptional({ example: '0s', default: '10m' })
  warmup?: string;

  @ApiPropertyOptional({ example: '24h', default: '24h' })
  watch?: string;

  @ApiPropertyOptional({ example: 0.05, default: 0.05 })
  alpha?: number;

  @ApiPropertyOptional({ example: '10s', default: '30s' })
  window?: string;
}

export class RolloutPlanDto {
  @ApiProperty({ example: 'overnight' })
  key!: string;

  @ApiProperty({ example: 'default' })
  project!: string;

  @ApiProperty({ example: 'Overnight' })
  name!: string;

  @ApiProperty({ example: '' })
  description!: string;

  @ApiProperty({ type: PlanDto, description: 'With every default filled in.' })
  plan!: object;

  @ApiProperty({ example: 1, description: 'Also the ETag.' })
  version!: number;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  createdAt!: string;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  updatedAt!: string;

  @ApiPropertyOptional({ type: [DocumentProblemDto], description: 'On writes.', example: [] })
  warnings?: readonly DocumentProblemDto[];
}

class PlanBodyDto extends CommentDto {
  @ApiPropertyOptional({ example: 'Overnight', description: 'Default: the key.' })
  @MayBeAbsent()
  @IsText(200)
  name?: string;

  @ApiPropertyOptional({ example: '', default: '' })
  @MayBeAbsent()
  @IsText(10_000)
  description?: string;

  @ApiProperty({ type: PlanDto })
  @IsPresent()
  plan!: unknown;
}

export class CreatePlanDto extends PlanBodyDto {
  @ApiProperty({ example: 'overnight' })
  @IsKey()
  key!: string;
}

export class ReplacePlanDto extends PlanBodyDto {
  @ApiPropertyOptional({ description: 'The version that is replaced, unless If-Match names it.' })
  @MayBeAbsent()
  @IsInt({ message: 'Expected a whole number' })
  version?: number;
}
