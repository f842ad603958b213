import { DomainError, type Actor, type Grant, type TokenStore } from '@fledge/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequestError } from '../http/problem.js';
import type { Logger } from '../log.js';
import { Cookie } from './cookies.js';
import { Provider, type Attempt, type Claims } from './provider.js';
import type { Sessions } from './sessions.js';
import { roleOf, type LoginSettings } from './settings.js';

/** How long a person may take at the provider. */
const ATTEMPT_S = 600;

type Configured = { readonly settings: LoginSettings; readonly provider: Provider; readonly attempts: Cookie };

/** Lets people in whom the provider vouches for, with the role that their claims give. */
export class Login {
  readonly #configured: Configured | undefined;

  constructor(
    settings: LoginSettings | undefined,
    private readonly sessions: Sessions,
    private readonly tokens: TokenStore,
    private readonly log: Logger,
  ) {
    this.#configured = settings && {
      settings,
      provider: new Provider(settings),
      // Lax: it has to come along when the provider sends the browser back.
      attempts: new Cookie('fledge-login', 'Lax', settings.publicUrl),
    };
  }

  /** Where the browser goes. @throws RequestError 404 without a provider, 503 when it does not answer */
  async begin(reply: FastifyReply): Promise<URL> {
    const { provider, attempts } = this.#configuration();
    const { address, attempt } = await provider.begin().catch((error: unknown) => this.#refuse(error));
    attempts.write(reply, [attempt.state, attempt.nonce, attempt.verifier].join('.'), ATTEMPT_S);
    return address;
  }

  /** Begins the session of who came back. @throws RequestError 400, 403 for who may not, 404, 503 */
  async end(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { settings, provider, attempts } = this.#configuration();
    const attempt = attemptIn(attempts.read(request));
    if (attempt === undefined)
      throw new RequestError(
        400,
        'login_failed',
        'This browser has begun no sign-in in the last ten minutes; begin at /login.',
      );
    attempts.clear(reply);
    const query = new URL(request.url, settings.publicUrl).search;
    const claims = await provider.end(query, attempt).catch((error: unknown) => this.#refuse(error));
    const role = roleOf(claims, settings);
    if (role === undefined) {
      const detail = `Your provider vouches for you, but nothing in "${settings.claim}" gives you a role here.`;
      throw new RequestError(403, 'no_role', detail);
    }
    const by: Actor = { id: claims.sub, name: nameOf(claims), kind: 'person', requestId: request.id };
    const expiresAt = new Date(Date.now() + settings.sessionMs).toISOString();
    const { token } = await this.tokens.create(by, {
      name: by.name,
      kind: 'management',
      role,
      expiresAt,
      person: by.id,
    });
    if (token !== undefined) this.sessions.begin(reply, token, settings.sessionMs / 1_000);
  }

  /** Ends a person's session; a token that is none is not ended here. */
  async out(by: Actor, grant: Grant, reply: FastifyReply): Promise<void> {
    if (grant.person === null) throw new DomainError('not_found', 'This token is no session; DELETE it under tokens.');
    await this.tokens.revoke(by, grant.id);
    this.sessions.end(reply);
  }

  #configuration(): Configured {
    if (this.#configured === undefined)
      throw new RequestError(404, 'no_login', 'No OpenID Connect provider is configured here; use a token.');
    return this.#configured;
  }

  /** What exactly was wrong is for the log: to a forger it would be a hint. */
  #refuse(error: unknown): never {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const message = error instanceof Error ? error.message : String(error);
    this.log.warn({ code, reason: message }, 'a sign-in failed');
    // What openid-client refuses has a code of its own; anything else is the network or the provider.
    if (/^OAUTH_(?:TIMEOUT|ABORT)$/.test(code) || !/^OAUTH_|^ERR_/.test(code))
      throw new RequestError(503, 'login_unavailable', 'The OpenID Connect provider does not answer.', {
        retryAfter: 5,
      });
    throw new RequestError(400, 'login_failed', 'The sign-in could not be completed; begin again at /login.');
  }
}

function attemptIn(value: string | undefined): Attempt | undefined {
  const [state, nonce, verifier, ...more] = (value ?? '').split('.');
  if (!state || !nonce || !verifier || more.length > 0) return undefined;
  return { state, nonce, verifier };
}

const LONGEST_NAME = 200;

/** What the log of changes calls a person. */
function nameOf(claims: Claims): string {
  const names = [claims['name'], claims['email'], claims['preferred_username'], claims.sub];
  const name = names.find((each): each is string => typeof each === 'string' && each.trim() !== '') ?? claims.sub;
  return name.replaceAll(/[\0\p{Cs}]/gu, '').slice(0, LONGEST_NAME);
}
