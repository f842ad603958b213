import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { CohortRule, FlagType, JsonValue, Prerequisite, Rule, Serve } from '@fledge/evaluation';
import { ArrayMaxSize, IsArray, IsBoolean, IsIn, IsObject, ValidateIf } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { IsKey, IsPresent, IsTags, IsText, MayBeAbsent } from '../http/strings.js';

const TYPES: readonly FlagType[] = ['boolean', 'string', 'number', 'object'];
const MayBeNull = () => ValidateIf((_dto: object, value: unknown) => value !== null);
const IsFlag = () => IsBoolean({ message: 'Expected true or false' });
const IsRecord = () => IsObject({ message: 'Expected an object' });
const IsList = () => IsArray({ message: 'Expected a list' });

export class TransferredProjectDto {
  @ApiProperty({ example: 'default' })
  @IsKey()
  key!: string;

  @ApiProperty({ example: 'Web shop' })
  @IsText(200)
  name!: string;

  @ApiProperty({ example: '' })
  @IsText(5_000)
  description!: string;
}

export class TransferredEnvironmentDto extends TransferredProjectDto {
  @ApiProperty({ example: false })
  @IsFlag()
  protected!: boolean;
}

export class TransferredCohortDto extends TransferredProjectDto {
  @ApiProperty({ example: 'targetingKey' })
  @IsText(1_000)
  attribute!: string;

  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true }, example: [] })
  @IsList()
  rules!: CohortRule[];

  @ApiProperty({ type: [String], example: ['user-1'] })
  @IsList()
  included!: string[];

  @ApiProperty({ type: [String], example: [] })
  @IsList()
  excluded!: string[];
}

export class TransferredFlagDto extends TransferredProjectDto {
  @ApiProperty({ enum: TYPES, example: 'boolean' })
  @IsIn(TYPES, { message: `Expected one of ${TYPES.join(', ')}` })
  type!: FlagType;

  @ApiProperty({ type: 'object', additionalProperties: true, example: { on: true, off: false } })
  @IsRecord()
  variants!: Record<string, JsonValue>;

  @ApiProperty({ type: 'object', additionalProperties: true, example: {} })
  @IsRecord()
  variantInfo!: Record<string, { name?: string; description?: string }>;

  @ApiProperty({ type: String, nullable: true, example: 'on' })
  @MayBeNull()
  @IsText(100)
  defaultVariant!: string | null;

  @ApiProperty({ type: [String], example: ['payments'] })
  @IsTags()
  tags!: string[];

  @ApiProperty({ example: false })
  @IsFlag()
  permanent!: boolean;

  @ApiProperty({ type: String, nullable: true, example: 'team-payments' })
  @MayBeNull()
  @IsText(200)
  owner!: string | null;

  @ApiProperty({ type: 'object', additionalProperties: true, example: {} })
  @IsRecord()
  metadata!: Record<string, string | number | boolean>;

  @ApiProperty({ example: false })
  @IsFlag()
  archived!: boolean;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'object', additionalProperties: true },
    description: 'By environment: who gets what there.',
    example: {},
  })
  @IsRecord()
  targeting!: Record<string, TransferredTargetingDto>;
}

export class TransferredTargetingDto {
  @IsFlag()
  enabled!: boolean;

  @IsPresent()
  offVariant!: string | null;

  @IsPresent()
  prerequisites!: Prerequisite[];

  @IsPresent()
  rules!: Rule[];

  @IsPresent()
  fallthrough!: Serve | null;
}

/** All that people decided about a project; nothing of who, when or in which version, and no tokens. */
export class ProjectExportDto {
  @ApiProperty({ enum: [1], example: 1 })
  format!: 1;

  @ApiProperty({ type: TransferredProjectDto })
  project!: TransferredProjectDto;

  @ApiProperty({ type: [TransferredEnvironmentDto] })
  environments!: TransferredEnvironmentDto[];

  @ApiProperty({ type: [TransferredCohortDto] })
  cohorts!: TransferredCohortDto[];

  @ApiProperty({ type: [TransferredFlagDto] })
  flags!: TransferredFlagDto[];
}

export class ImportProjectDto extends CommentDto {
  @ApiProperty({ enum: [1], example: 1 })
  @IsIn([1], { message: 'Expected 1' })
  format!: 1;

  @ApiProperty({ type: TransferredProjectDto })
  @IsRecord()
  project!: TransferredProjectDto;

  @ApiProperty({ type: [TransferredEnvironmentDto] })
  @IsList()
  @ArrayMaxSize(1_000, { message: 'Expected at most 1,000 items' })
  environments!: TransferredEnvironmentDto[];

  @ApiProperty({ type: [TransferredCohortDto] })
  @IsList()
  cohorts!: TransferredCohortDto[];

  @ApiProperty({ type: [TransferredFlagDto] })
  @IsList()
  flags!: TransferredFlagDto[];

  @ApiPropertyOptional({ default: false, description: 'true: say what would change, and change nothing.' })
  @MayBeAbsent()
  @IsFlag()
  dryRun?: boolean;
}

class CountsDto {
  @ApiProperty({ example: 2 })
  environments!: number;

  @ApiProperty({ example: 1 })
  cohorts!: number;

  @ApiProperty({ example: 1 })
  flags!: number;

  @ApiProperty({ example: 2 })
  targetings!: number;
}

export class ImportedDto {
  @ApiProperty({ example: 'default' })
  project!: string;

  @ApiProperty({ type: CountsDto })
  created!: CountsDto;

  @ApiProperty({ type: CountsDto })
  updated!: CountsDto;

  @ApiProperty({ type: [DocumentProblemDto], example: [] })
  warnings!: DocumentProblemDto[];
}
