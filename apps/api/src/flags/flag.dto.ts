import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { FlagType, JsonValue } from '@fledge/evaluation';
import type { Metadata, VariantInfo } from '@fledge/store';
import { Allow, IsBoolean, IsIn, IsObject, IsOptional } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { IsKey, IsTags, IsText, MayBeAbsent } from '../http/strings.js';

const TYPES: readonly FlagType[] = ['boolean', 'string', 'number', 'object'];

const ApiVariants = (selfRequired = true, nullable = false) =>
  ApiProperty({
    selfRequired,
    nullable,
    type: 'object',
    additionalProperties: true,
    example: { on: true, off: false },
    description: "Named values, all of the flag's type. The names are hashed by splits, so they are never renamed.",
  });

const ApiVariantInfo = (selfRequired = true, nullable = false) =>
  ApiProperty({
    selfRequired,
    nullable,
    type: 'object',
    additionalProperties: {
      type: 'object',
      properties: { name: { type: 'string' }, description: { type: 'string' } },
    },
    example: { on: { name: 'One page' } },
    description: "What people read beside a variant's name.",
  });

const ApiMetadata = (selfRequired = true, nullable = false) =>
  ApiProperty({
    selfRequired,
    nullable,
    type: 'object',
    additionalProperties: { oneOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }] },
    example: { jira: 'PAY-7' },
    description: 'Handed through to the SDK: at most 20 keys and 1 KiB.',
  });

export class FlagDto {
  @ApiProperty({ example: 'new-checkout' })
  key!: string;

  @ApiProperty({ example: 'default' })
  project!: string;

  @ApiProperty({ enum: TYPES, example: 'boolean' })
  type!: FlagType;

  @ApiProperty({ example: 'New checkout' })
  name!: string;

  @ApiProperty({ example: 'The one-page checkout.' })
  description!: string;

  @ApiVariants()
  variants!: Record<string, JsonValue>;

  @ApiVariantInfo()
  variantInfo!: VariantInfo;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'on',
    description: 'What new environments serve once the flag is enabled.',
  })
  defaultVariant!: string | null;

  @ApiProperty({ type: [String], example: ['payments'] })
  tags!: string[];

  @ApiProperty({ example: false, description: 'Not meant to be removed one day.' })
  permanent!: boolean;

  @ApiProperty({ type: String, nullable: true, example: 'team-payments' })
  owner!: string | null;

  @ApiMetadata()
  metadata!: Metadata;

  @ApiProperty({ type: String, nullable: true, example: null })
  archivedAt!: string | null;

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

/** What is judged by the validator of documents (`@Allow`) is not judged here a second time. */
export class CreateFlagDto extends CommentDto {
  @ApiProperty({ example: 'new-checkout', description: 'Unique in the project regardless of case; never changes.' })
  @IsKey()
  key!: string;

  @ApiProperty({ enum: TYPES, example: 'boolean', description: 'Never changes.' })
  @IsIn(TYPES, { message: `Expected one of ${TYPES.join(', ')}` })
  type!: FlagType;

  @ApiPropertyOptional({ example: 'New checkout', maxLength: 200 })
  @IsOptional()
  @IsText(200)
  name?: string;

  @ApiPropertyOptional({ example: 'The one-page checkout.', maxLength: 5_000 })
  @IsOptional()
  @IsText(5_000)
  description?: string;

  @ApiVariants(false)
  @Allow()
  variants?: Record<string, JsonValue>;

  @ApiVariantInfo(false)
  @Allow()
  variantInfo?: VariantInfo;

  @ApiPropertyOptional({ type: [String], example: ['payments'] })
  @IsOptional()
  @IsTags()
  tags?: string[];

  @ApiPropertyOptional({ example: false })
  @IsOptional()
  @IsBoolean({ message: 'Expected true or false' })
  permanent?: boolean;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'team-payments', maxLength: 200 })
  @IsOptional()
  @IsText(200)
  owner?: string | null;

  @ApiMetadata(false)
  @Allow()
  metadata?: Metadata;
}

/** A JSON merge patch; `variants` is replaced whole. */
export class UpdateFlagDto extends CommentDto {
  @ApiPropertyOptional({ type: String, nullable: true, example: 'New checkout', maxLength: 200 })
  @IsOptional()
  @IsText(200)
  name?: string | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    example: 'The one-page checkout, second try.',
    maxLength: 5_000,
  })
  @IsOptional()
  @IsText(5_000)
  description?: string | null;

  @ApiVariants(false)
  @MayBeAbsent()
  @IsObject({ message: 'Expected an object of named values' })
  variants?: Record<string, JsonValue>;

  @ApiVariantInfo(false, true)
  @IsOptional()
  @IsObject({ message: 'Expected an object' })
  variantInfo?: VariantInfo | null;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'on' })
  @IsOptional()
  @IsText(100)
  defaultVariant?: string | null;

  @ApiPropertyOptional({ type: [String], nullable: true, example: ['payments', 'web'] })
  @IsOptional()
  @IsTags()
  tags?: string[] | null;

  @ApiPropertyOptional({ type: Boolean, nullable: true, example: true })
  @IsOptional()
  @IsBoolean({ message: 'Expected true or false' })
  permanent?: boolean | null;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'team-payments', maxLength: 200 })
  @IsOptional()
  @IsText(200)
  owner?: string | null;

  @ApiMetadata(false, true)
  @IsOptional()
  @IsObject({ message: 'Expected an object' })
  metadata?: Metadata | null;
}
