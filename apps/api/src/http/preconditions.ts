import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { DomainError } from '@fledge/store';
import type { FastifyRequest } from 'fastify';
import { RequestError } from './problem.js';

/** What If-Match says: versions of which the current must be one, any version, or nothing at all. */
export type IfMatch = readonly number[] | 'any' | undefined;

/** Reads If-Match; a weak tag counts as its strong twin. @throws RequestError 400 for what is no list of tags */
export const IfMatchHeader = createParamDecorator((_: unknown, context: ExecutionContext): IfMatch =>
  parseIfMatch(context.switchToHttp().getRequest<FastifyRequest>().headers['if-match']),
);

function parseIfMatch(header: string | undefined): IfMatch {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return 'any';
  return header.split(',').map((tag) => {
    const version = /^\s*(?:W\/)?"(\d{1,10})"\s*$/.exec(header.length > 1_000 ? '' : tag)?.[1];
    if (version === undefined) {
      throw new RequestError(400, 'bad_request', 'If-Match: expected the ETag of an earlier answer, such as "17".', {
        errors: [{ pointer: '/If-Match', code: 'format', message: 'Expected a list of tags such as "17", or *.' }],
      });
    }
    return Number(version);
  });
}

/** For DELETE, PATCH and commands: a version is checked when one is sent. */
export const optional = (ifMatch: IfMatch): readonly number[] | undefined => (ifMatch === 'any' ? undefined : ifMatch);

/** For PUT: the client must say what it replaces. @throws DomainError `version_missing`, `version_contradiction` */
export function required(ifMatch: IfMatch, version: number | undefined): readonly number[] | undefined {
  if (ifMatch === undefined && version === undefined) {
    throw new DomainError(
      'version_missing',
      'Send the version you read, as If-Match or as "version" in the body, so that no edit is lost.',
    );
  }
  if (version === undefined) return optional(ifMatch);
  if (Array.isArray(ifMatch) && !ifMatch.includes(version)) {
    throw new DomainError(
      'version_contradiction',
      `If-Match names version ${ifMatch.join(', ')}, the body version ${version}.`,
    );
  }
  return [version];
}
