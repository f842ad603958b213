import type { Grant } from '@fledge/store';
import type { FastifyRequest } from 'fastify';
import { refusal, type Access } from './access.js';
import type { Authenticator } from './authenticator.js';
import { presentedToken } from './presented-token.js';

/** The grant of a request whose token was good a moment ago and may do this. undefined: the guard has to ask somebody, or to refuse. */
export function knownGrant(authenticator: Authenticator, access: Access, request: FastifyRequest): Grant | undefined {
  const text = presentedToken(request, access);
  const grant = text === undefined ? undefined : authenticator.recall(text);
  return grant !== undefined && refusal(access, grant, request) === undefined ? grant : undefined;
}
