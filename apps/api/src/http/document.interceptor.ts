import { Injectable, SetMetadata, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';

const LIVELY = 'fledge:lively';

/** A document of which more changes than its version tells: never answered with 304. */
export const Lively = () => SetMetadata(LIVELY, true);

/** Gives every document its ETag, answers 304 to who has it already, every created one its Location, and every written one warnings. */
@Injectable()
export class DocumentInterceptor implements NestInterceptor {
  constructor(private readonly reflector: Reflector) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const isLively = this.reflector.get<boolean | undefined>(LIVELY, context.getHandler()) === true;
    return next.handle().pipe(
      map((document: unknown) => {
        if (reply.sent || typeof document !== 'object' || document === null) return document;
        const { version, key, id } = document as { version?: unknown; key?: unknown; id?: unknown };
        if (reply.statusCode === 201 && !reply.hasHeader('location'))
          reply.header('location', `${pathOf(request)}/${encodeURIComponent(String(key ?? id))}`);
        // An answer to a question names a version too, but is no document that could be replaced.
        if (typeof version !== 'number' || (key === undefined && id === undefined)) return document;
        const etag = `"${version}"`;
        reply.header('etag', etag);
        if (request.method === 'GET' && !isLively && holds(request.headers['if-none-match'], etag)) {
          reply.status(304);
          return undefined;
        }
        return request.method === 'GET' || 'warnings' in document ? document : { ...document, warnings: [] };
      }),
    );
  }
}

/** The path without its query. */
export const pathOf = (request: FastifyRequest): string => request.url.split('?', 1)[0] ?? '';

const holds = (header: string | undefined, etag: string): boolean =>
  header !== undefined &&
  header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
