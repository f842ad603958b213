import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** Who signs in next, and what the provider says of them; undefined: the person says no. */
type Person = { readonly sub: string } & Readonly<Record<string, unknown>>;

/** A real OpenID Connect provider, in which whoever is `person` signs in at once. */
export interface IdentityProvider {
  readonly issuer: string;
  person: Person | undefined;
  stop(): Promise<void>;
}

export const CLIENT = { id: 'fledge', secret: 'a-client-secret-that-only-tests-know' } as const;

/** `inIdToken`: whether it puts what it knows of a person into the ID token, or tells it only when asked. */
export async function startIdentityProvider(callback: string, inIdToken: boolean): Promise<IdentityProvider> {
  const server: Server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const state: { person: Person | undefined } = { person: undefined };
  // Loaded here, so that who starts it can silence what it says of itself.
  const { Provider } = await import('oidc-provider');
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: [callback],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    pkce: { required: () => true },
    claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'groups'],
    conformIdTokenClaims: !inIdToken,
    cookies: { keys: ['a-key-that-only-tests-know'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: (_: unknown, accountId: string) => ({
      accountId,
      claims: () => ({ ...state.person, sub: accountId }),
    }),
  });
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (request.url?.startsWith('/interaction/') !== true) {
      answer(request, response);
      return;
    }
    void (async () => {
      const { params } = await provider.interactionDetails(request, response);
      const { person } = state;
      if (person === undefined) {
        await provider.interactionFinished(request, response, { error: 'access_denied' });
        return;
      }
      const grant = new provider.Grant({ accountId: person.sub, clientId: params.client_id });
      grant.addOIDCScope(params.scope);
      const result = { login: { accountId: person.sub }, consent: { grantId: await grant.save() } };
      await provider.interactionFinished(request, response, result);
    })();
  });
  return {
    issuer,
    get person() {
      return state.person;
    },
    set person(person) {
      state.person = person;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
