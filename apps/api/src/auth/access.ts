import { SetMetadata, applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';
import type { Grant, Role } from '@fledge/store';
import type { FastifyRequest } from 'fastify';
import { RequestError } from '../http/problem.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the presented token may do; absent on public routes. */
    grant?: Grant;
  }
}

/**
 * Who may call a route: nobody needs a token, an SDK key, a key that may evaluate, or a management token of at least this role.
 * `everything`: only a token that is not confined to a project.
 */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'sdk' }
  | { readonly kind: 'evaluation' }
  | { readonly kind: 'management'; readonly role: Role; readonly everything: boolean };

export const ACCESS = 'fledge:access';

export const SDK_ACCESS: Access = { kind: 'sdk' };
export const EVALUATION_ACCESS: Access = { kind: 'evaluation' };

/** No token is needed. */
export const Public = () => SetMetadata<string, Access>(ACCESS, { kind: 'public' });

/** An environment's SDK key. */
export const ForSdk = () => applyDecorators(SetMetadata<string, Access>(ACCESS, SDK_ACCESS), ApiSecurity('sdk'));

/** An SDK or client key of an environment, as Bearer or X-API-Key. */
export const ForEvaluation = () =>
  applyDecorators(
    SetMetadata<string, Access>(ACCESS, EVALUATION_ACCESS),
    ApiSecurity('sdk'),
    ApiSecurity('client'),
    ApiSecurity('apiKey'),
  );

/** A management token of at least this role, within the projects and environments it is for. */
export const ForRole = (role: Role, everything = false) =>
  applyDecorators(
    SetMetadata<string, Access>(ACCESS, { kind: 'management', role, everything }),
    ApiSecurity('management'),
  );

const RANK: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, editor: 2, admin: 3 };

/** Why the token may not make this request; undefined when it may. */
export function refusal(
  access: Access,
  grant: Grant,
  request: { method: string; project?: string; environment?: string },
): string | undefined {
  if (access.kind === 'public') return undefined;
  if (access.kind === 'sdk') return grant.kind === 'sdk' ? undefined : 'This path takes an SDK key.';
  if (access.kind === 'evaluation')
    return grant.kind === 'management' ? 'This path takes an SDK key or a client key.' : undefined;
  if (grant.kind !== 'management' || grant.role === null) return 'This path takes a management token.';
  if (RANK[grant.role] < RANK[access.role])
    return `This needs the role ${access.role}; the token has the role ${grant.role}.`;
  if (access.everything && grant.project !== null) return 'This needs a token for all projects.';
  if (grant.project !== null && request.project !== undefined && request.project !== grant.project.key) {
    return `The token is for project "${grant.project.key}" only.`;
  }
  return grant.environments === null ? undefined : environmentRefusal(grant.environments, request);
}

/** For an environment that the body names: what the token may not ask for it may not have copied either. @throws RequestError 403 */
export function refuseForeign({ environments }: Grant, environment: string): void {
  const reason = environments === null ? undefined : environmentRefusal(environments, { method: 'GET', environment });
  if (reason !== undefined) throw new RequestError(403, 'forbidden', reason);
}

/** A token for some environments may read what all share, and write only what is theirs alone. */
function environmentRefusal(
  environments: readonly { readonly key: string }[],
  request: { method: string; environment?: string },
): string | undefined {
  const names = environments.map(({ key }) => key).join(', ');
  if (request.environment !== undefined) {
    return environments.some(({ key }) => key === request.environment)
      ? undefined
      : `The token is for environments ${names} only.`;
  }
  return request.method === 'GET'
    ? undefined
    : `The token is for environments ${names} only; this changes all of them.`;
}

/** The grant behind the request. */
export const CurrentGrant = createParamDecorator((_: unknown, context: ExecutionContext): Grant => grantOf(context));

export function grantOf(context: ExecutionContext): Grant {
  const { grant } = context.switchToHttp().getRequest<FastifyRequest>();
  if (grant === undefined) throw new Error('A route that needs a grant is declared public.');
  return grant;
}

/** The one environment of an SDK or client key. @throws RequestError 401 when it is gone */
export function environmentOf(grant: Grant): number {
  const id = grant.environments?.[0]?.id;
  if (id === undefined) throw environmentGone();
  return id;
}

export const environmentGone = (): RequestError =>
  new RequestError(401, 'token_refused', 'The environment of this key is gone.');
