import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { CohortRule, Condition } from '@fledge/evaluation';
import { Allow, ArrayMaxSize, IsArray, IsIn, IsInt, IsOptional, IsString, MaxLength } from 'class-validator';
import { ApiConditions, DescribesConditions, GateDto } from '../flags/condition.dto.js';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { SearchQueryDto } from '../http/page.query.js';
import { IsKey, IsText, MayBeAbsent } from '../http/strings.js';

@DescribesConditions()
class CohortRuleDto {
  @ApiConditions()
  conditions!: Condition[];

  @ApiPropertyOptional({ type: GateDto })
  gate?: GateDto;
}

const ApiRules = (required: boolean) =>
  ApiProperty({
    required,
    type: [CohortRuleDto],
    example: [{ conditions: [{ attribute: 'email', operator: 'ends_with', values: ['@example.com'] }] }],
    description: 'Any of them lets a unit in that no list decides.',
  });

class MemberCountsDto {
  @ApiProperty({ example: 1 })
  included!: number;

  @ApiProperty({ example: 0 })
  excluded!: number;
}

export class CohortDto {
  @ApiProperty({ example: 'staff' })
  key!: string;

  @ApiProperty({ example: 'default' })
  project!: string;

  @ApiProperty({ example: 'Our own team' })
  name!: string;

  @ApiProperty({ example: '' })
  description!: string;

  @ApiProperty({ example: 'targetingKey', description: 'What the lists hold.' })
  attribute!: string;

  @ApiRules(true)
  rules!: CohortRule[];

  @ApiProperty({
    type: MemberCountsDto,
    description: 'How long the lists are; the members themselves are under /members.',
  })
  members!: MemberCountsDto;

  @ApiProperty({ example: 1, description: 'Also the ETag.' })
  version!: number;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  createdAt!: string;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  updatedAt!: string;

  @ApiPropertyOptional({
    type: [DocumentProblemDto],
    description: 'Legal, but probably not meant; on writes.',
    example: [],
  })
  warnings?: DocumentProblemDto[];
}

class CohortBodyDto extends CommentDto {
  @ApiPropertyOptional({ example: 'Our own team', maxLength: 200 })
  @IsOptional()
  @IsText(200)
  name?: string;

  @ApiPropertyOptional({ example: 'Everybody who works here.', maxLength: 5_000 })
  @IsOptional()
  @IsText(5_000)
  description?: string;

  @ApiPropertyOptional({ default: 'targetingKey', description: 'What the lists hold.' })
  @Allow()
  attribute?: string;

  @ApiRules(false)
  @Allow()
  rules?: CohortRule[];

  @ApiPropertyOptional({ type: [String], example: ['user-1'], description: 'In, whatever the rules say.' })
  @Allow()
  included?: string[];

  @ApiPropertyOptional({ type: [String], example: [], description: 'Out, whatever else says.' })
  @Allow()
  excluded?: string[];
}

export class CreateCohortDto extends CohortBodyDto {
  @ApiProperty({ example: 'staff', description: 'Unique in the project regardless of case; never changes.' })
  @IsKey()
  key!: string;
}

/** The whole cohort; lists that are left out stay as they are. */
export class ReplaceCohortDto extends CohortBodyDto {
  @ApiPropertyOptional({ description: 'The version that is replaced, unless If-Match names it.' })
  @MayBeAbsent()
  @IsInt({ message: 'Expected a whole number' })
  version?: number;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  key?: unknown;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  project?: unknown;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  members?: unknown;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  createdAt?: unknown;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  updatedAt?: unknown;

  @ApiPropertyOptional({ readOnly: true })
  @Allow()
  warnings?: unknown;
}

const LISTS = ['included', 'excluded'] as const;

export class ChangeMembersDto extends CommentDto {
  @ApiProperty({ enum: LISTS, example: 'included' })
  @IsIn(LISTS, { message: 'Expected included or excluded' })
  list!: (typeof LISTS)[number];

  @ApiPropertyOptional({ type: [String], example: ['user-2', 'user-3'], maxItems: 10_000 })
  @MayBeAbsent()
  @IsArray({ message: 'Expected a list of texts' })
  @ArrayMaxSize(10_000, { message: 'Expected at most 10,000 items' })
  add?: string[];

  @ApiPropertyOptional({ type: [String], example: [], maxItems: 10_000 })
  @MayBeAbsent()
  @IsArray({ message: 'Expected a list of texts' })
  @ArrayMaxSize(10_000, { message: 'Expected at most 10,000 items' })
  remove?: string[];
}

export class MembersAnswerDto extends CohortDto {
  @ApiProperty({ example: 2, description: 'How many units the list did not hold before.' })
  added!: number;

  @ApiProperty({ example: 0, description: 'How many units the list held and holds no longer.' })
  removed!: number;
}

export class MemberDto {
  @ApiProperty({ example: 'user-1' })
  unit!: string;

  @ApiProperty({ enum: LISTS, example: 'included' })
  list!: (typeof LISTS)[number];
}

export class MemberQueryDto extends SearchQueryDto {
  @ApiPropertyOptional({ enum: LISTS, description: 'Only this list.' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(20, { message: 'Expected included or excluded' })
  @IsIn(LISTS, { message: 'Expected included or excluded' })
  list?: (typeof LISTS)[number];
}
