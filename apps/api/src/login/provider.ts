import type * as Oidc from 'openid-client';
import { claimIn, type LoginSettings } from './settings.js';

/** What a browser must bring back for a sign-in to end as it began. */
export type Attempt = { readonly state: string; readonly nonce: string; readonly verifier: string };

/** Who somebody is, as the provider has proved it. */
export type Claims = Readonly<Record<string, unknown>> & { readonly sub: string };

const TIMEOUT_S = 10;

/** Loaded when somebody first signs in: it is a tenth of a second and megabytes that most processes never need. */
const library = (): Promise<typeof Oidc> => import('openid-client');

/** The OpenID Connect provider: authorisation code with PKCE, state and nonce. It is asked for its addresses when somebody first signs in, so that a provider that is away stops nobody who has a token. */
export class Provider {
  readonly #settings: LoginSettings;
  readonly #callback: string;
  #found: Promise<Oidc.Configuration> | undefined;

  constructor(settings: LoginSettings) {
    this.#settings = settings;
    this.#callback = new URL('/login/callback', settings.publicUrl).href;
  }

  /** Where the browser goes to sign in. Throws what the network throws. */
  async begin(): Promise<{ address: URL; attempt: Attempt }> {
    const oidc = await library();
    const configuration = await this.#configuration(oidc);
    const attempt = {
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
      verifier: oidc.randomPKCECodeVerifier(),
    };
    const address = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: this.#callback,
      scope: this.#settings.scope,
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: 'S256',
    });
    return { address, attempt };
  }

  /** Who came back with this query. Throws what openid-client throws for an answer that was forged, is too old, belongs to another attempt or says no. */
  async end(query: string, { state, nonce, verifier }: Attempt): Promise<Claims> {
    const oidc = await library();
    const configuration = await this.#configuration(oidc);
    const tokens = await oidc.authorizationCodeGrant(configuration, new URL(this.#callback + query), {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    if (claims === undefined) throw new Error('The provider sent no ID token.');
    const isThere = claimIn(claims, this.#settings.claim) !== undefined;
    if (isThere || configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
    return { ...(await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub)), ...claims };
  }

  /** Asked for again after a failure. */
  #configuration(oidc: typeof Oidc): Promise<Oidc.Configuration> {
    const { issuer, clientId, clientSecret } = this.#settings;
    const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
    const authentication = clientSecret === undefined ? oidc.None() : oidc.ClientSecretPost(clientSecret);
    this.#found ??= oidc
      .discovery(issuer, clientId, undefined, authentication, { execute, timeout: TIMEOUT_S })
      .catch((error: unknown) => {
        this.#found = undefined;
        throw error;
      });
    return this.#found;
  }
}
