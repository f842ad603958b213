import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RequestError } from '../http/problem.js';

export const FOREIGN_ORIGIN = 'foreign_origin';

/** The refusal of an origin that is not among those of the key. */
export const foreignOrigin = (): RequestError =>
  new RequestError(403, FOREIGN_ORIGIN, "The request's Origin is not among the allowedOrigins of this key.");

/** Answers every preflight below the path: it carries no key, so whether its origin may read is for the answer itself to say. */
export function answerPreflights(server: FastifyInstance, path: string): void {
  server.options(`${path}*`, async (_request, reply) =>
    reply
      .status(204)
      .headers({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers': 'authorization, content-type, x-api-key, if-none-match',
        'access-control-max-age': '7200',
      })
      .send(),
  );
}

/** The headers that let scripts of the request's origin read the answer; undefined when the key is not for that origin. null: any. */
export function originHeaders(
  request: FastifyRequest,
  allowed: readonly string[] | null,
): Readonly<Record<string, string>> | undefined {
  const { origin } = request.headers;
  if (origin === undefined) return COMMON;
  if (allowed !== null && !allowed.includes(origin)) return undefined;
  return {
    ...COMMON,
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'ETag, Retry-After',
  };
}

/** Of every answer: it is one context's, at one moment, for one origin. */
export const COMMON = { 'cache-control': 'no-store', vary: 'Origin' } as const;
