import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import type { Condition, FlagType, JsonValue, Measure, Prerequisite, Rule, Serve } from '@fledge/evaluation';
import { Allow, IsBoolean, IsDefined, IsInt, IsOptional } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { IsKey, IsPercentage, IsPresent, IsText, MayBeAbsent } from '../http/strings.js';
import { ApiConditions, DescribesConditions, GateDto } from './condition.dto.js';

class ServeVariantDto {
  @ApiProperty({ example: 'on' })
  variant!: string;
}

class SplitArmDto {
  @ApiProperty({ example: 'on' })
  variant!: string;

  @ApiProperty({ example: 50, minimum: 0, maximum: 100_000, description: 'Relative to the sum of the weights.' })
  weight!: number;
}

class ServeSplitDto {
  @ApiProperty({ type: [SplitArmDto] })
  split!: SplitArmDto[];

  @ApiPropertyOptional({ default: 'targetingKey' })
  bucketBy?: string;

  @ApiPropertyOptional({ description: "Default: the flag's key." })
  salt?: string;

  @ApiPropertyOptional({ enum: [1] })
  bucketing?: 1;
}

const ApiServe = () =>
  ApiProperty({ oneOf: [{ $ref: getSchemaPath(ServeVariantDto) }, { $ref: getSchemaPath(ServeSplitDto) }] });

class PrerequisiteDto {
  @ApiProperty({ example: 'payments-v2' })
  flag!: string;

  @ApiProperty({ type: [String], example: ['on'] })
  variants!: string[];
}

class MeasuredDto {
  @ApiProperty({ enum: ['unit_window', 'first_failure', 'request'], example: 'unit_window' })
  count!: string;

  @ApiPropertyOptional({ example: 300, description: 'Counted is what is above this.' })
  over?: number;
}

/** The mark of a canary rollout. Nobody else writes it; sent back as it was read it changes nothing. */
@ApiExtraModels(MeasuredDto)
class MeasureDto {
  @ApiProperty({ example: '3b0f3a52-3c1d-4b7e-9a55-5d0f5f5b1c11' })
  rollout!: string;

  @ApiProperty({ example: 19 })
  epoch!: number;

  @ApiProperty({ example: 'on' })
  canary!: string;

  @ApiProperty({ example: 'off' })
  baseline!: string;

  @ApiProperty({ example: 5, description: 'Units with a bucket below this are in the canary arm.' })
  percentage!: number;

  @ApiProperty({
    type: 'object',
    additionalProperties: { $ref: getSchemaPath(MeasuredDto) },
    example: { errors: { count: 'unit_window' } },
  })
  metrics!: Measure['metrics'];
}

const ApiMeasure = () =>
  ApiPropertyOptional({
    type: MeasureDto,
    readOnly: true,
    description: 'What a canary rollout compares here; only a rollout writes it.',
  });

@DescribesConditions()
@ApiExtraModels(ServeVariantDto, ServeSplitDto)
class RuleDto {
  @ApiProperty({ example: 'germany', description: 'Unique in the flag.' })
  id!: string;

  @ApiPropertyOptional({ example: 'Germany first' })
  description?: string;

  @ApiPropertyOptional({ default: true })
  enabled?: boolean;

  @ApiConditions()
  conditions!: Condition[];

  @ApiPropertyOptional({ type: GateDto })
  gate?: GateDto;

  @ApiServe()
  serve!: Serve;

  @ApiMeasure()
  measure?: Measure;
}

const RULES_EXAMPLE = [
  {
    id: 'germany',
    conditions: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
    gate: { percentage: 25 },
    serve: { variant: 'on' },
  },
];

const ApiOffVariant = () =>
  ApiProperty({
    type: String,
    nullable: true,
    example: 'off',
    description: "Served while disabled or while a prerequisite fails; null: the caller's default.",
  });

const ApiRules = () =>
  ApiProperty({ type: [RuleDto], example: RULES_EXAMPLE, description: 'In order; the first that applies decides.' });

const ApiFallthrough = () =>
  ApiProperty({
    oneOf: [
      { $ref: getSchemaPath(ServeVariantDto) },
      { $ref: getSchemaPath(ServeSplitDto) },
      { type: 'object', nullable: true, enum: [null] },
    ],
    example: { variant: 'off' },
    description: "Served when no rule applies; null: the caller's default.",
  });

/** What one environment says about a flag. */
@ApiExtraModels(ServeVariantDto, ServeSplitDto)
export class TargetingDto {
  @ApiProperty({ example: 'new-checkout' })
  key!: string;

  @ApiProperty({ example: 'production' })
  environment!: string;

  @ApiProperty({
    example: 17,
    description: "The environment's version at the last change of this document. Also the ETag.",
  })
  version!: number;

  @ApiProperty({ example: true })
  enabled!: boolean;

  @ApiOffVariant()
  offVariant!: string | null;

  @ApiProperty({ type: [PrerequisiteDto], example: [] })
  prerequisites!: Prerequisite[];

  @ApiRules()
  rules!: Rule[];

  @ApiFallthrough()
  fallthrough!: Serve | null;

  @ApiMeasure()
  measure?: Measure;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  updatedAt!: string;

  @ApiPropertyOptional({
    type: [DocumentProblemDto],
    description: 'Legal, but probably not meant; on writes.',
    example: [],
  })
  warnings?: DocumentProblemDto[];
}

export class FlagStateDto extends TargetingDto {
  @ApiProperty({ example: 'New checkout' })
  name!: string;

  @ApiProperty({ enum: ['boolean', 'string', 'number', 'object'] })
  type!: FlagType;

  @ApiProperty({ type: [String], example: ['payments'] })
  tags!: string[];

  @ApiProperty({ type: 'object', additionalProperties: true, example: { on: true, off: false } })
  variants!: Record<string, JsonValue>;
}

/** The whole document. What a GET answered beside it may be sent back as it is. */
@ApiExtraModels(ServeVariantDto, ServeSplitDto)
export class ReplaceTargetingDto extends CommentDto {
  @ApiPropertyOptional({ description: 'The version that is replaced, unless If-Match names it.' })
  @MayBeAbsent()
  @IsInt({ message: 'Expected a whole number' })
  version?: number;

  @ApiProperty({ example: true })
  @IsDefined({ message: 'Expected true or false' })
  @IsBoolean({ message: 'Expected true or false' })
  enabled!: boolean;

  @ApiOffVariant()
  @IsPresent()
  offVariant!: string | null;

  @ApiProperty({ type: [PrerequisiteDto], example: [] })
  @IsPresent()
  prerequisites!: Prerequisite[];

  @ApiRules()
  @IsPresent()
  rules!: Rule[];

  @ApiFallthrough()
  @IsPresent()
  fallthrough!: Serve | null;

  @ApiMeasure()
  @Allow()
  measure?: Measure;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  key?: unknown;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  environment?: unknown;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  updatedAt?: unknown;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  warnings?: unknown;
}

export class PercentageDto extends CommentDto {
  @ApiProperty({ example: 12.5, minimum: 0, maximum: 100, description: 'At most three decimals.' })
  @IsPercentage()
  percentage!: number;

  @ApiPropertyOptional({
    example: 'on',
    description: 'Default: on for boolean flags, or what the percentage serves already; else required.',
  })
  @IsOptional()
  @IsKey()
  variant?: string;

  @ApiPropertyOptional({
    example: 'targetingKey',
    description: 'The attribute that is bucketed. Default: what the percentage uses already.',
  })
  @IsOptional()
  @IsText(200)
  bucketBy?: string;

  @ApiPropertyOptional({ example: true, default: true, description: 'false leaves a disabled flag disabled.' })
  @IsOptional()
  @IsBoolean({ message: 'Expected true or false' })
  enable?: boolean;
}

export class CopyTargetingDto extends CommentDto {
  @ApiProperty({ example: 'development', description: 'The environment to copy from.' })
  @IsKey()
  from!: string;
}
