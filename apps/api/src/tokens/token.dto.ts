import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { Role, TokenKind } from '@fledge/store';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { PageQueryDto } from '../http/page.query.js';
import { IsInstant, IsKey, IsTags, IsText, IsTexts, MayBeAbsent } from '../http/strings.js';

const DURATION = /^\d{1,9}[smhd]$/;
const KINDS: readonly TokenKind[] = ['management', 'sdk', 'client'];
const ROLES: readonly Role[] = ['admin', 'editor', 'operator', 'viewer'];

export class TokenDto {
  @ApiProperty({ example: '0b6f2a52-3c1d-4b7e-9a55-5d0f5f5b1c11' })
  id!: string;

  @ApiProperty({ example: 'checkout app' })
  name!: string;

  @ApiProperty({ enum: KINDS, example: 'sdk' })
  kind!: TokenKind;

  @ApiProperty({ enum: ROLES, nullable: true, example: null, description: 'Of management tokens.' })
  role!: Role | null;

  @ApiProperty({ type: String, nullable: true, example: 'default', description: 'null: every project.' })
  project!: string | null;

  @ApiProperty({
    type: [String],
    nullable: true,
    example: ['production'],
    description: 'null: every environment of the project.',
  })
  environments!: string[] | null;

  @ApiProperty({ type: [String], nullable: true, example: null, description: 'Of client keys; null: any origin.' })
  allowedOrigins!: string[] | null;

  @ApiProperty({
    type: [String],
    nullable: true,
    example: ['payments'],
    description:
      'Of SDK and client keys: they see only flags with one of these tags, and what those need. null: every flag.',
  })
  tags!: string[] | null;

  @ApiProperty({ example: 'fledge_sdk_4kZp…', description: 'The first characters, to tell tokens apart.' })
  hint!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'The token that this one was made to take over from.',
  })
  replaces!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'Of sessions: the id of who signed in, at their provider.',
  })
  person!: string | null;

  @ApiProperty({ example: 1, description: 'Also the ETag. The last use does not raise it.' })
  version!: number;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  createdAt!: string;

  @ApiProperty({ type: String, nullable: true, example: null })
  expiresAt!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'To the minute.' })
  lastUsedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null })
  revokedAt!: string | null;
}

export class CreatedTokenDto extends TokenDto {
  @ApiPropertyOptional({
    example: 'fledge_sdk_4kZp8Qw2Lr6Tn0Vb3Xc5Ym7Ad9Gf1HjKs0aB1cD',
    description:
      'The token itself, shown this once. A repeated request with the same Idempotency-Key gets the answer without it.',
  })
  token?: string;

  @ApiPropertyOptional({
    type: [DocumentProblemDto],
    description: 'Legal, but probably not meant; on writes.',
    example: [],
  })
  warnings?: DocumentProblemDto[];
}

export class CreateTokenDto extends CommentDto {
  @ApiProperty({ example: 'checkout app', maxLength: 200 })
  @IsText(200)
  name!: string;

  @ApiProperty({ enum: KINDS, example: 'sdk' })
  @IsIn(KINDS, { message: `Expected one of ${KINDS.join(', ')}` })
  kind!: TokenKind;

  @ApiPropertyOptional({ enum: ROLES, description: 'Of management tokens; default viewer.' })
  @MayBeAbsent()
  @IsIn(ROLES, { message: `Expected one of ${ROLES.join(', ')}` })
  role?: Role;

  @ApiPropertyOptional({
    example: 'default',
    description: 'Required for SDK and client keys; without it a management token is for every project.',
  })
  @MayBeAbsent()
  @IsKey()
  project?: string;

  @ApiPropertyOptional({ example: 'production', description: 'Of SDK and client keys: the one environment.' })
  @MayBeAbsent()
  @IsKey()
  environment?: string;

  @ApiPropertyOptional({ type: [String], description: 'Of management tokens: only these environments of the project.' })
  @MayBeAbsent()
  @IsTexts(100, 100)
  environments?: string[];

  @ApiPropertyOptional({
    type: [String],
    description: 'Of client keys: where browsers may use it. Default: anywhere.',
    example: ['https://shop.example'],
  })
  @MayBeAbsent()
  @IsTexts(100, 300)
  allowedOrigins?: string[];

  @ApiPropertyOptional({
    type: [String],
    description: 'Of SDK and client keys: only flags with one of these tags, and what those need. Default: every flag.',
    example: ['payments'],
  })
  @MayBeAbsent()
  @IsTags()
  tags?: string[];

  @ApiPropertyOptional({ example: '2027-01-01T00:00:00Z' })
  @MayBeAbsent()
  @IsInstant()
  expiresAt?: string;
}

export class RotateTokenDto extends CommentDto {
  @ApiPropertyOptional({
    example: '24h',
    default: '24h',
    description: 'How long the old token goes on working, at most 90 days: a number with s, m, h or d.',
  })
  @MayBeAbsent()
  @Matches(DURATION, { message: 'Expected a duration such as 90s, 30m, 4h or 2d' })
  grace?: string;

  @ApiPropertyOptional({
    type: [String],
    nullable: true,
    description: 'Of SDK and client keys: what the new one sees; null: every flag. Default: what the old one does.',
    example: ['payments'],
  })
  @IsOptional()
  @IsTags()
  tags?: string[] | null;

  @ApiPropertyOptional({
    example: '2100-01-01T00:00:00Z',
    description: 'When the new token ends. Default: after as long a life as the old one had, or never.',
  })
  @MayBeAbsent()
  @IsInstant()
  expiresAt?: string;
}

export class TokenQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ enum: KINDS })
  @IsOptional()
  @IsIn(KINDS, { message: `Expected one of ${KINDS.join(', ')}` })
  kind?: TokenKind;
}
