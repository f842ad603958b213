import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { DomainError, ERRORS } from '@fledge/store';
import type { Problem as DocumentProblem } from '@fledge/evaluation';
import { variableOf } from './request-limits.js';

/** The body of every refusal: RFC 9457, with a stable code and every problem by its pointer. */
export type ProblemBody = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors?: readonly DocumentProblem[];
  readonly [name: string]: unknown;
};

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** A refusal that HTTP itself has to make: not a document's problem but the request's. */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: {
      readonly errors?: readonly DocumentProblem[];
      readonly retryAfter?: number;
      /** The limit that was reached, and what it is. */
      readonly limit?: string;
      readonly maximum?: number;
    } = {},
  ) {
    super(message);
    this.name = 'RequestError';
  }
}

/** Turns whatever was thrown into what the client is told. Only real faults become a 500, and those say nothing of the inside. `bodyLimit`: of the route, in bytes. */
export function toProblem(error: unknown, bodyLimit?: number): ProblemBody {
  if (error instanceof DomainError) {
    const { status, title } = ERRORS[error.code];
    return { type: typeOf(error.code), title, status, detail: error.message, code: error.code, ...error.details };
  }
  if (error instanceof RequestError) {
    return problem(error.status, error.code, error.message, error.details);
  }
  // Nest wraps what the HTTP server refuses.
  const fastify = FASTIFY[codeOf(error instanceof HttpException ? error.cause : error)];
  if (fastify?.code === 'body_too_large' && bodyLimit !== undefined) return bodyTooLarge(bodyLimit);
  if (fastify !== undefined) return problem(fastify.status, fastify.code, fastify.detail);
  if (error instanceof HttpException) {
    const status = error.getStatus();
    return status === 404
      ? problem(404, 'no_such_path', error.message)
      : problem(status, `http_${status}`, error.message);
  }
  return problem(
    500,
    'internal',
    'Something went wrong inside the service. The log has the details under this request id.',
  );
}

function bodyTooLarge(maximum: number): ProblemBody {
  const limit = 'bodyBytes';
  const detail = `The body is larger than ${maximum} bytes (${variableOf(limit)}).`;
  return problem(413, 'body_too_large', detail, { limit, maximum });
}

function problem(status: number, code: string, detail: string, more: object = {}): ProblemBody {
  return { type: typeOf(code), title: STATUS_CODES[status] ?? 'Error', status, detail, code, ...more };
}

const typeOf = (code: string): string => `urn:fledge:problem:${code}`;

const codeOf = (error: unknown): string => {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
};

/** What the HTTP server itself refuses. */
const FASTIFY: Readonly<Record<string, { status: number; code: string; detail: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { status: 413, code: 'body_too_large', detail: 'The body is too large.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'unsupported_media_type',
    detail: 'Expected a body of type application/json.',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    status: 400,
    code: 'bad_request',
    detail: 'The Content-Length does not match the body.',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { status: 400, code: 'not_json', detail: 'The body is empty.' },
  FST_ERR_BAD_URL: { status: 400, code: 'bad_url', detail: 'The path is not a valid URL path.' },
  FST_ERR_MAX_PARAM_LENGTH: { status: 404, code: 'no_such_path', detail: 'No resource has a name as long as this.' },
};
