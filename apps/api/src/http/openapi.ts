import { applyDecorators, type Type } from '@nestjs/common';
import {
  ApiBody,
  ApiExtraModels,
  ApiHeader,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';

/** One problem of a document or request. */
export class DocumentProblemDto {
  @ApiProperty({ description: 'Where, as a JSON pointer (RFC 6901).', example: '/rules/0/conditions/0/operator' })
  pointer!: string;

  @ApiProperty({ description: 'Which rule it breaks; stable.', example: 'unknown_operator' })
  code!: string;

  @ApiProperty({
    description: 'What was expected and what came.',
    example: 'Expected one of in, contains, …, got "like".',
  })
  message!: string;
}

/** RFC 9457. */
class ProblemDto {
  @ApiProperty({ example: 'urn:fledge:problem:not_found' })
  type!: string;

  @ApiProperty({ example: 'Not found' })
  title!: string;

  @ApiProperty({ example: 404 })
  status!: number;

  @ApiProperty({
    description: 'What was expected, what came, what to do.',
    example: 'There is no flag "new-checkout".',
  })
  detail!: string;

  @ApiProperty({ description: 'Stable; branch on this.', example: 'not_found' })
  code!: string;

  @ApiPropertyOptional({ type: [DocumentProblemDto], description: 'Every problem, when the problem is in a document.' })
  errors?: DocumentProblemDto[];
}

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'Malformed: not JSON, not UTF-8, or a header, cursor or query that cannot be read.',
  401: 'No token, or one that is unknown, expired or revoked.',
  403: 'The token may not do this.',
  404: 'There is no such thing.',
  409: 'In conflict with what is: a key that is taken, something still in use.',
  412: 'The document has changed since the version named in If-Match.',
  413: 'The body is larger than FLEDGE_LIMIT_BODY_BYTES, 1 MiB by default (a report of an SDK: 256 KiB).',
  415: 'The body is not JSON, or compressed.',
  422: 'Not valid; every problem is named with its pointer.',
  429: 'Too many, `limit` says of what; Retry-After when to ask again.',
  428: 'The version that is to be replaced must be named.',
  503: 'The database is away or busy; Retry-After says when to ask again.',
};

/** The refusals of an operation; any caller may ask too much of any of them. */
export const Problems = (...statuses: readonly number[]): MethodDecorator & ClassDecorator =>
  applyDecorators(
    ApiExtraModels(ProblemDto),
    ...[...new Set([...statuses, 429])].map((status) =>
      ApiResponse({
        status,
        description: MEANINGS[status] ?? 'Refused.',
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemDto) } } },
      }),
    ),
  );

/** What every read may answer. */
export const ReadProblems = (): MethodDecorator & ClassDecorator => Problems(400, 401, 403, 404, 503);

/** What the reading of one document may answer besides the document. */
export const DocumentProblems = (): MethodDecorator & ClassDecorator =>
  applyDecorators(
    ApiResponse({ status: 304, description: 'The version named in If-None-Match is the current one.' }),
    ReadProblems(),
  );

/** What every write may answer. */
export const WriteProblems = (...more: readonly number[]): MethodDecorator & ClassDecorator =>
  Problems(400, 401, 403, 404, 409, 413, 415, 422, ...more, 503);

/** What a question that is asked by POST may answer; it writes nothing. */
export const QuestionProblems = (): MethodDecorator & ClassDecorator =>
  Problems(400, 401, 403, 404, 413, 415, 422, 503);

/** The headers of a write. */
export const IdempotencyHeader = (): MethodDecorator & ClassDecorator =>
  applyDecorators(
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        'Up to 255 printable ASCII characters; an equal request within 24 hours gets the first answer instead of writing twice.',
      schema: { type: 'string', maxLength: 255 },
    }),
  );

export const IfMatchApi = (
  description = 'The ETag that was read; refused with 412 when the document has changed since.',
  example = '"17"',
): MethodDecorator =>
  applyDecorators(ApiHeader({ name: 'If-Match', required: false, description, schema: { type: 'string', example } }));

/** Bodies to begin from, each of which works when it is sent as it is on a fresh start. */
export const BodyExamples = (type: Type<unknown>, examples: Readonly<Record<string, object>>): MethodDecorator =>
  ApiBody({
    type,
    examples: Object.fromEntries(Object.entries(examples).map(([summary, value]) => [summary, { summary, value }])),
  });

/** A body that may say why, or be left out. */
export const CommentBody = (type: Type<unknown>): MethodDecorator =>
  ApiBody({ type, required: false, examples: { 'With a reason': { value: { comment: 'first wave' } } } });

/** A page of `items`. */
export function pageOf(item: Type<unknown>): Type<{ items: unknown[]; nextCursor: string | null }> {
  class PageDto {
    @ApiProperty({ type: [item] })
    items!: unknown[];

    @ApiProperty({
      type: String,
      nullable: true,
      description: 'Pass it as cursor to get the next page; null on the last.',
      example: null,
    })
    nextCursor!: string | null;
  }
  Object.defineProperty(PageDto, 'name', { value: `${item.name.replace(/Dto$/, '')}Page` });
  return PageDto;
}
