import { ApiExtraModels, ApiProperty, ApiPropertyOptional, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { applyDecorators } from '@nestjs/common';

export class EvaluationRequestDto {
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'Whom to decide for: `targetingKey` (a string) names the unit, everything else is an attribute.',
    example: { targetingKey: 'user-7', country: 'DE' },
  })
  context?: object;
}

export class EvaluatedDto {
  @ApiProperty({ example: 'new-checkout' })
  key!: string;

  @ApiProperty({
    enum: ['STATIC', 'TARGETING_MATCH', 'SPLIT', 'DEFAULT', 'DISABLED'],
    example: 'TARGETING_MATCH',
  })
  reason!: string;

  @ApiPropertyOptional({ example: 'on' })
  variant?: string;

  @ApiPropertyOptional({
    description: "Of the flag's type; left out when the caller's default is meant.",
    oneOf: [
      { type: 'boolean' },
      { type: 'string' },
      { type: 'number' },
      { type: 'object', additionalProperties: true },
      { type: 'array', items: {} },
    ],
    example: true,
  })
  value?: unknown;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { oneOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }] },
    description: "The flag's own metadata and the rule that decided.",
    example: { ruleId: 'percentage' },
  })
  metadata?: object;
}

export class FailedDto {
  @ApiPropertyOptional({ example: 'new-checkout', description: 'Where one flag was asked for.' })
  key?: string;

  @ApiProperty({ enum: ['FLAG_NOT_FOUND', 'PARSE_ERROR', 'INVALID_CONTEXT', 'GENERAL'], example: 'FLAG_NOT_FOUND' })
  errorCode!: string;

  @ApiProperty({ example: 'no flag "new-checkout"' })
  errorDetails!: string;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    example: { version: 17 },
    description: 'The version of the environment that was looked at.',
  })
  metadata?: object;
}

class EventStreamEndpointDto {
  @ApiProperty({
    example: '/ofrep/v1/stream?token=490000.0b6f2a52-3c1d-4b7e-9a55-5d0f5f5b1c11.…',
    description: 'Below the origin that was asked.',
  })
  requestUri!: string;
}

class EventStreamDto {
  @ApiProperty({ enum: ['sse'] })
  type!: string;

  @ApiProperty({ type: EventStreamEndpointDto })
  endpoint!: EventStreamEndpointDto;

  @ApiProperty({ example: 120, description: 'After how many seconds in the background a client should let go of it.' })
  inactivityDelaySec!: number;
}

@ApiExtraModels(EvaluatedDto, FailedDto)
export class AllEvaluatedDto {
  @ApiProperty({
    type: 'array',
    items: { oneOf: [{ $ref: getSchemaPath(EvaluatedDto) }, { $ref: getSchemaPath(FailedDto) }] },
  })
  flags!: (EvaluatedDto | FailedDto)[];

  @ApiProperty({ type: [EventStreamDto], description: 'Where changes are told, for the hours to come.' })
  eventStreams!: EventStreamDto[];
}

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'PARSE_ERROR: no JSON, or a flag that cannot be understood. INVALID_CONTEXT: a context that is no object, or a targetingKey that is no string.',
  403: 'The key may not do this, or not from this origin.',
  404: 'FLAG_NOT_FOUND.',
  413: 'The body is larger than 1 MiB.',
  429: 'Too many; Retry-After says in how many seconds to ask again.',
  503: 'The database is away; Retry-After says in how many seconds to ask again.',
};

/** The refusals of an operation, in the protocol's shape. */
export const Refusals = (...statuses: readonly number[]): MethodDecorator =>
  applyDecorators(
    ApiResponse({ status: 401, description: 'No key, or one that is unknown, expired or revoked. Without a body.' }),
    ...statuses.map((status) => ApiResponse({ status, description: MEANINGS[status] ?? 'Refused.', type: FailedDto })),
  );
