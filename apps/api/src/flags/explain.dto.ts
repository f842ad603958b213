import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { Context, Evaluation, TraceStep } from '@fledge/evaluation';
import { IsInt, IsObject, Max, Min } from 'class-validator';
import { IsInstant, MayBeAbsent } from '../http/strings.js';

const LARGEST_VERSION = 2_147_483_647;

/** Whom the question is about, and when. */
export class ExplainDto {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { targetingKey: 'user-7', country: 'DE' },
    description: 'What the application would pass: targetingKey and any attributes.',
  })
  @IsObject({ message: 'Expected an object' })
  context!: Context;

  @ApiPropertyOptional({
    example: '2026-11-23T10:00:00Z',
    description: 'A moment of the past: targeting, cohorts and `$now` as they stood then. Default: now.',
  })
  @MayBeAbsent()
  @IsInstant()
  at?: string;

  @ApiPropertyOptional({
    example: 17,
    description: 'A version of the environment instead; with `at` it must have been made by then.',
  })
  @MayBeAbsent()
  @IsInt({ message: 'Expected a whole number' })
  @Min(1, { message: 'Expected at least 1' })
  @Max(LARGEST_VERSION, { message: `Expected at most ${LARGEST_VERSION}` })
  version?: number;
}

class EvaluationDto {
  @ApiPropertyOptional({
    oneOf: [
      { type: 'boolean' },
      { type: 'string' },
      { type: 'number' },
      { type: 'object' },
      { type: 'array', items: {} },
    ],
    example: true,
    description: "Absent: the caller's default is meant.",
  })
  value?: unknown;

  @ApiPropertyOptional({ example: 'on' })
  variant?: string;

  @ApiProperty({ enum: ['STATIC', 'TARGETING_MATCH', 'SPLIT', 'DEFAULT', 'DISABLED', 'ERROR'] })
  reason!: string;

  @ApiPropertyOptional({ enum: ['FLAG_NOT_FOUND', 'PARSE_ERROR', 'TYPE_MISMATCH'] })
  errorCode?: string;

  @ApiPropertyOptional({ example: 'no flag "new-checkout"' })
  errorMessage?: string;

  @ApiProperty({ type: 'object', additionalProperties: true, example: { version: 17, ruleId: 'germany' } })
  metadata!: Record<string, unknown>;
}

/** What the flag answered, and every step that led to it. */
export class ExplanationDto {
  @ApiProperty({ type: EvaluationDto })
  evaluation!: Evaluation;

  @ApiProperty({
    type: 'array',
    items: { type: 'object', additionalProperties: true },
    description:
      'Every prerequisite, rule, condition, cohort, gate and split that was looked at, in order: expected and actual values, true, false or unknown, units, salts, buckets, thresholds and scores.',
    example: [{ step: 'flag', flag: 'new-checkout', state: 'enabled' }],
  })
  trace!: readonly TraceStep[];

  @ApiProperty({
    description: 'The trace to read: a line per step.',
    example: 'flag new-checkout is enabled\nfallthrough serves "off"',
  })
  text!: string;

  @ApiProperty({ example: 17, description: "The environment's version that was asked." })
  version!: number;

  @ApiPropertyOptional({ example: '2026-11-23T10:00:00Z', description: 'The moment that was asked about.' })
  at?: string;
}
