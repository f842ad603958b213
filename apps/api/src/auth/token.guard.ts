import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Grant } from '@fledge/store';
import type { FastifyRequest } from 'fastify';
import { RequestError } from '../http/problem.js';
import { callerAt, RateLimits } from '../http/rate-limits.js';
import { Sessions } from '../login/sessions.js';
import { ACCESS, refusal, type Access } from './access.js';
import { Authenticator } from './authenticator.js';
import { bounded, presentedToken } from './presented-token.js';

/** Lets a request pass when the route is public, or its token may do what the route declares. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
    private readonly rates: RateLimits,
    private readonly sessions: Sessions,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (access === undefined)
      throw new Error(`${context.getClass().name}.${context.getHandler().name} declares no access.`);
    if (access.kind === 'public') return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const text = presentedToken(request, access) ?? this.#session(access, request);
    const grant = text === undefined ? undefined : await this.#authenticate(text, callerAt(request.ip));
    if (grant === undefined) {
      throw new RequestError(
        401,
        text === undefined ? 'token_missing' : 'token_refused',
        text === undefined
          ? 'Send a token as "Authorization: Bearer <token>".'
          : 'The token is unknown, expired or revoked.',
      );
    }
    const params = (request.params ?? {}) as { project?: string; environment?: string };
    const reason = refusal(access, grant, { method: request.method, ...params });
    if (reason !== undefined) throw new RequestError(403, 'forbidden', reason);
    request.grant = grant;
    // Remote evaluation counts for itself, when it knows which origins may read the refusal.
    if (access.kind === 'management') await this.rates.take('managementPerSecond', grant.id);
    if (access.kind === 'sdk') await this.rates.take('sdkPerSecond', grant.id);
    return true;
  }

  #session(access: Access, request: FastifyRequest): string | undefined {
    return access.kind === 'management' ? bounded(this.sessions.tokenIn(request)) : undefined;
  }

  /** Who guesses is stopped before the database is asked; a token known to be good is not hindered by guesses from the same address. */
  async #authenticate(text: string, address: string): Promise<Grant | undefined> {
    const grant = await this.authenticator.authenticate(text, () =>
      this.rates.refuseExhausted('refusalsPerMinute', address),
    );
    if (grant === undefined) await this.rates.take('refusalsPerMinute', address);
    return grant;
  }
}
