import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { grantOf } from '../auth/access.js';
import { RateLimits } from '../http/rate-limits.js';
import { foreignOrigin, originHeaders } from './origins.js';

/** Lets a key evaluate from the origins it is for, and as often as the limit says. */
@Injectable()
export class OfrepGuard implements CanActivate {
  constructor(private readonly rates: RateLimits) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const { id, allowedOrigins } = grantOf(context);
    const headers = originHeaders(http.getRequest<FastifyRequest>(), allowedOrigins);
    if (headers === undefined) throw foreignOrigin();
    void http.getResponse<FastifyReply>().headers(headers);
    await this.rates.take('ofrepPerSecond', id);
    return true;
  }
}
