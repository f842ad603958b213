import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { USUAL_EVENTS, WEBHOOK_EVENTS } from '@fledge/store';
import { ArrayMaxSize, ArrayUnique, IsArray, IsBoolean, IsIn, IsOptional, Matches, ValidateIf } from 'class-validator';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { PageQueryDto } from '../http/page.query.js';
import { IsKey, IsText, IsTexts, MayBeAbsent } from '../http/strings.js';

const STATES = ['pending', 'delivered', 'failed'] as const;
const DURATION = /^\d{1,9}[smhd]$/;

export class WebhookDto {
  @ApiProperty({ example: 'chat' })
  key!: string;

  @ApiProperty({ example: 'default' })
  project!: string;

  @ApiProperty({ example: 'The channel of those on call' })
  description!: string;

  @ApiProperty({ example: 'https://hooks.example.com/fledge' })
  url!: string;

  @ApiProperty({ enum: WEBHOOK_EVENTS, isArray: true, example: USUAL_EVENTS })
  events!: readonly string[];

  @ApiProperty({ type: [String], nullable: true, example: ['production'], description: 'null: all of the project.' })
  environments!: readonly string[] | null;

  @ApiProperty({ example: true, description: 'false: nothing is added, and what waits is kept until it is enabled.' })
  enabled!: boolean;

  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'Until when messages carry a signature of the secret before this one as well.',
  })
  oldSecretUntil!: string | null;

  @ApiProperty({ example: 1, description: 'Also the ETag.' })
  version!: number;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  createdAt!: string;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  updatedAt!: string;

  @ApiPropertyOptional({ type: [DocumentProblemDto], description: 'On writes.', example: [] })
  warnings?: readonly DocumentProblemDto[];
}

export class WebhookWithSecretDto extends WebhookDto {
  @ApiPropertyOptional({
    example: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
    description:
      'What receivers check signatures with, shown this once. A repeated request with the same Idempotency-Key gets the answer without it.',
  })
  secret?: string;
}

class WebhookEditDto extends CommentDto {
  @ApiPropertyOptional({ example: 'The channel of those on call', default: '' })
  @MayBeAbsent()
  @IsText(1_000)
  description?: string;

  @ApiPropertyOptional({
    enum: WEBHOOK_EVENTS,
    isArray: true,
    example: USUAL_EVENTS,
    description:
      'Default: held, inconclusive, awaiting_approval, completed, rolled_back. None: only gates of plans use it.',
  })
  @MayBeAbsent()
  @IsArray({ message: 'Expected a list of events' })
  @ArrayMaxSize(WEBHOOK_EVENTS.length, { message: `Expected at most ${WEBHOOK_EVENTS.length} events` })
  @ArrayUnique({ message: 'Expected every event once' })
  @IsIn(WEBHOOK_EVENTS, { each: true, message: `Expected events of ${WEBHOOK_EVENTS.join(', ')}` })
  events?: string[];

  @ApiPropertyOptional({
    type: [String],
    nullable: true,
    example: ['production'],
    description: 'Only rollouts of these; null or left out: all of the project.',
  })
  @ValidateIf((_dto: object, value: unknown) => value !== undefined && value !== null)
  @IsTexts(100, 100)
  environments?: string[] | null;

  @ApiPropertyOptional({ example: true, default: true })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  enabled?: boolean;
}

export class CreateWebhookDto extends WebhookEditDto {
  @ApiProperty({ example: 'chat', description: 'Unique in the project regardless of case; never changes.' })
  @IsKey()
  key!: string;

  @ApiProperty({ example: 'https://hooks.example.com/fledge', description: 'https, unless FLEDGE_WEBHOOK_HTTP is on.' })
  @IsText(2_000)
  url!: string;
}

export class UpdateWebhookDto extends WebhookEditDto {
  @ApiPropertyOptional({ example: 'https://hooks.example.com/fledge' })
  @MayBeAbsent()
  @IsText(2_000)
  url?: string;
}

export class RotateWebhookDto extends CommentDto {
  @ApiPropertyOptional({
    example: '24h',
    default: '24h',
    description: 'For how long messages carry both signatures, at most 30 days: a number with s, m, h or d.',
  })
  @MayBeAbsent()
  @Matches(DURATION, { message: 'Expected a duration such as 90s, 30m, 4h or 2d' })
  grace?: string;
}

export class DeliveryQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ enum: STATES, example: 'failed' })
  @IsOptional()
  @IsIn(STATES, { message: `Expected one of ${STATES.join(', ')}` })
  state?: (typeof STATES)[number];
}

export class DeliveryDto {
  @ApiProperty({
    example: '0192f4a1-6b1e-4c3d-9a55-5d0f5f5b1c11',
    description: 'Also the webhook-id that the receiver sees, the same at every attempt.',
  })
  id!: string;

  @ApiProperty({ example: 'rollout.rolled_back' })
  event!: string;

  @ApiProperty({ enum: STATES, example: 'pending' })
  state!: (typeof STATES)[number];

  @ApiProperty({ example: 2 })
  attempts!: number;

  @ApiProperty({ type: Number, nullable: true, example: 503, description: 'What the receiver answered last.' })
  status!: number | null;

  @ApiProperty({ type: String, nullable: true, example: 'The receiver answered 503.' })
  detail!: string | null;

  @ApiProperty({ type: String, nullable: true, example: '2026-11-23T10:00:20.000Z' })
  nextAttemptAt!: string | null;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  createdAt!: string;

  @ApiProperty({ type: String, nullable: true, example: null })
  endedAt!: string | null;

  @ApiProperty({ type: 'object', additionalProperties: true, description: 'What is sent.' })
  message!: unknown;
}
