import type { FastifyRequest } from 'fastify';
import type { Access } from './access.js';

/** Longer than any token of ours, and short enough to hash without a thought. */
const LONGEST_TOKEN = 512;

/** The token in the headers of a request: Bearer, or for remote evaluation X-API-Key, which OpenFeature knows beside it. */
export function presentedToken({ headers }: FastifyRequest, { kind }: Access): string | undefined {
  const bearer = bounded(/^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]);
  if (bearer !== undefined || kind !== 'evaluation') return bearer;
  const key = headers['x-api-key'];
  return typeof key === 'string' ? bounded(key) : undefined;
}

export const bounded = (text: string | undefined): string | undefined =>
  text === undefined || text === '' || text.length > LONGEST_TOKEN ? undefined : text;
