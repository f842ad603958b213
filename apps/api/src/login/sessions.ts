import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequestError } from '../http/problem.js';
import { Cookie } from './cookies.js';
import type { LoginSettings } from './settings.js';

/** A session is a management token of a person that lives in a cookie (docs/adr/0019). */
export class Sessions {
  readonly #cookie: Cookie | undefined;
  readonly #origin: string | undefined;

  /** Without settings there are no sessions, and no cookie is looked at. */
  constructor(settings: LoginSettings | undefined) {
    this.#cookie = settings && new Cookie('fledge-session', 'Strict', settings.publicUrl);
    this.#origin = settings?.publicUrl.origin;
  }

  /** The token in the request's cookie. @throws RequestError 403 when another site makes the browser write with it */
  tokenIn(request: FastifyRequest): string | undefined {
    const token = this.#cookie?.read(request);
    if (token === undefined || request.method === 'GET' || request.method === 'HEAD') return token;
    if (this.#isOwn(request)) return token;
    throw new RequestError(403, 'foreign_origin', 'A session writes from the pages of this service only; use a token.');
  }

  begin(reply: FastifyReply, token: string, seconds: number): void {
    this.#cookie?.write(reply, token, seconds);
  }

  end(reply: FastifyReply): void {
    this.#cookie?.clear(reply);
  }

  /** Browsers say where a request comes from and let no script say otherwise; who does not say it is not believed. */
  #isOwn({ headers }: FastifyRequest): boolean {
    const site = headers['sec-fetch-site'];
    return site === undefined ? headers.origin === this.#origin : site === 'same-origin';
  }
}
