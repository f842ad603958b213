import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ProblemBody } from '../http/problem.js';
import { COMMON, FOREIGN_ORIGIN, originHeaders } from './origins.js';

export const OFREP_PATH = '/ofrep/';

/** The problems that the protocol has words for. Its clients read bodies of 400, 404 and 500 only. */
const WORDS: Readonly<Record<string, readonly [status: number, errorCode: string]>> = {
  not_json: [400, 'PARSE_ERROR'],
  invalid_utf8: [400, 'PARSE_ERROR'],
  unsupported_media_type: [400, 'PARSE_ERROR'],
  unsupported_coding: [400, 'PARSE_ERROR'],
  invalid_context: [400, 'INVALID_CONTEXT'],
  too_deep: [400, 'INVALID_CONTEXT'],
  forbidden_key: [400, 'INVALID_CONTEXT'],
};

/** Refuses as the protocol has it: with a code that OpenFeature knows and, where one flag was asked for, its key; 401 with nothing at all. */
export function sendRefusal(problem: ProblemBody, request: FastifyRequest, reply: FastifyReply): void {
  const key = keyOf(request);
  const [status, errorCode] = WORDS[problem.code] ?? [
    problem.status,
    problem.status === 404 && key !== undefined ? 'FLAG_NOT_FOUND' : 'GENERAL',
  ];
  void reply.status(status).headers(COMMON);
  // A refusal says nothing but what is wrong with the request, and a script that may read it can tell it from a broken network.
  // Only who asks from an origin that the key is not for reads nothing at all.
  if (problem.code !== FOREIGN_ORIGIN) void reply.headers(originHeaders(request, null) ?? {});
  if (status === 401) {
    void reply.send();
    return;
  }
  void reply.send({ ...(key !== undefined && { key }), errorCode, errorDetails: problem.detail });
}

/** The flag that a request asks for, be its key one that no flag can have. */
function keyOf({ method, url }: FastifyRequest): string | undefined {
  if (method !== 'POST') return undefined;
  const key = /^\/ofrep\/v1\/evaluate\/flags\/([^/?]+)/.exec(url)?.[1];
  try {
    return key === undefined ? undefined : decodeURIComponent(key);
  } catch {
    return key;
  }
}
