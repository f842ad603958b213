import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import type { JsonValue } from '@fledge/evaluation';
import { IsBoolean, IsOptional, IsString, MaxLength } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { PageQueryDto } from '../http/page.query.js';
import { IsInstant, MayBeAbsent } from '../http/strings.js';

class SubjectDto {
  @ApiProperty({
    example: 'targeting',
    enum: [
      'project',
      'environment',
      'flag',
      'targeting',
      'cohort',
      'members',
      'token',
      'rollout',
      'rollout-plan',
      'webhook',
    ],
  })
  type!: string;

  @ApiProperty({ example: 'new-checkout' })
  key!: string;
}

class TouchedDto {
  @ApiProperty({ example: 'production' })
  key!: string;

  @ApiProperty({ example: 18 })
  version!: number;
}

class ActorDto {
  @ApiProperty({ example: '0192f4a1-6b1e-7c3d-9a55-5d0f5f5b1c11', description: 'The token, or what else acted.' })
  id!: string;

  @ApiProperty({ example: 'deploy bot' })
  name!: string;

  @ApiProperty({ enum: ['token', 'person', 'environment', 'service'], example: 'token' })
  kind!: string;
}

export class ChangeDto {
  @ApiProperty({ example: '42', description: 'The cursor of the log: grows with every change.' })
  id!: string;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  at!: string;

  @ApiProperty({ example: 'targeting.percentage' })
  action!: string;

  @ApiProperty({ type: String, nullable: true, example: 'default' })
  project!: string | null;

  @ApiProperty({ type: SubjectDto })
  subject!: SubjectDto;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'production',
    description: 'The environment that the request named.',
  })
  environment!: string | null;

  @ApiProperty({ type: [TouchedDto], description: 'The environments it changed, with the version each got.' })
  environments!: TouchedDto[];

  @ApiProperty({ type: ActorDto })
  actor!: ActorDto;

  @ApiProperty({ type: String, nullable: true, example: 'req-1f' })
  requestId!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'first wave' })
  comment!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'The change that this one undoes.' })
  reverts!: string | null;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description: 'The document before; null when it was made.',
  })
  before!: JsonValue;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description: 'The document after; null when it was deleted.',
  })
  after!: JsonValue;
}

/** Which changes: what the list and the export take alike. */
export class ChangeFilterDto {
  @ApiPropertyOptional({
    description: "Only changes whose action, subject, comment or actor's name contains this, regardless of case.",
    example: 'checkout',
  })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(200, { message: 'Expected at most 200 characters' })
  q?: string;

  @ApiPropertyOptional({ description: 'Only this action.', example: 'targeting.enabled' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(100, { message: 'Expected at most 100 characters' })
  action?: string;

  @ApiPropertyOptional({ description: 'Only changes of things of this type.', example: 'targeting' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(100, { message: 'Expected at most 100 characters' })
  type?: string;

  @ApiPropertyOptional({ description: 'Only changes of things with this key.', example: 'new-checkout' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(100, { message: 'Expected at most 100 characters' })
  key?: string;

  @ApiPropertyOptional({ description: 'Only changes that named or touched this environment.', example: 'production' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(100, { message: 'Expected at most 100 characters' })
  environment?: string;

  @ApiPropertyOptional({ description: 'Only changes by this token.' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(100, { message: 'Expected at most 100 characters' })
  actor?: string;

  @ApiPropertyOptional({ description: 'Not before this instant.', example: '2026-11-01T00:00:00Z' })
  @IsOptional()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({ description: 'Before this instant.', example: '2026-12-01T00:00:00Z' })
  @IsOptional()
  @IsInstant()
  until?: string;
}

export class ChangeQueryDto extends IntersectionType(ChangeFilterDto, PageQueryDto) {}

export class RevertDto extends CommentDto {
  @ApiPropertyOptional({ default: false, description: 'true: say what would change, and change nothing.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  dryRun?: boolean;
}

export class RevertedDto extends ChangeDto {
  @ApiPropertyOptional({
    type: [DocumentProblemDto],
    description: 'Legal, but probably not meant; on writes.',
    example: [],
  })
  warnings?: DocumentProblemDto[];
}
