import { createHash } from 'node:crypto';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Actor, Idempotency } from '@fledge/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { pathOf } from '../http/document.interceptor.js';
import { RequestError } from '../http/problem.js';
import { ENVIRONMENT_GRANT } from './authenticator.js';
import { grantOf } from './access.js';

/** Who writes, and why: from the token, the comment and the Idempotency-Key of the request. */
export const By = createParamDecorator((_: unknown, context: ExecutionContext): Actor => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const reply = context.switchToHttp().getResponse<FastifyReply>();
  const grant = grantOf(context);
  return {
    id: grant.person ?? grant.id,
    name: grant.name,
    kind: grant.person !== null ? 'person' : grant === ENVIRONMENT_GRANT ? 'environment' : 'token',
    requestId: request.id,
    comment: commentOf(request),
    idempotency: idempotencyOf(request, reply),
  };
});

/** From where the route's DTO checks it: the body, or of a DELETE the query. */
function commentOf(request: FastifyRequest): string | undefined {
  const carrier = request.method === 'DELETE' ? request.query : request.body;
  return typeof carrier === 'object' && carrier !== null && 'comment' in carrier && typeof carrier.comment === 'string'
    ? carrier.comment
    : undefined;
}

function idempotencyOf(request: FastifyRequest, reply: FastifyReply): Idempotency | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new RequestError(400, 'bad_request', 'Idempotency-Key: expected 1 to 255 printable ASCII characters.', {
      errors: [
        { pointer: '/Idempotency-Key', code: 'format', message: 'Expected 1 to 255 printable ASCII characters.' },
      ],
    });
  }
  const path = pathOf(request);
  const hash = createHash('sha256').update(request.url.slice(path.length)).update('\n');
  return {
    key,
    method: request.method,
    path,
    bodyHash: hash.update(request.rawBody ?? '').digest(),
    onReplay: () => void reply.header('idempotency-replayed', 'true'),
  };
}
