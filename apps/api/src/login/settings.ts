import type { Role } from '@fledge/store';
import type { Reader } from '../config-reader.js';

/** How people sign in: at whose provider, as which client, and what makes them what here. */
export type LoginSettings = {
  readonly issuer: URL;
  readonly clientId: string;
  /** undefined: a public client, which PKCE alone protects. */
  readonly clientSecret: string | undefined;
  readonly scope: string;
  /** The claim that lists roles or groups: a name, or a path with dots into an object. */
  readonly claim: string;
  /** What each value of the claim makes of a person; `*` is anybody whom the provider lets in. */
  readonly roles: ReadonlyMap<string, Role>;
  readonly sessionMs: number;
  readonly publicUrl: URL;
};

const ROLES: readonly Role[] = ['viewer', 'operator', 'editor', 'admin'];
const OPTIONAL = ['CLIENT_ID', 'CLIENT_SECRET', 'SCOPE', 'ROLES_CLAIM', 'ROLES', 'SESSION_HOURS'] as const;

/** Where browsers find this service, as FLEDGE_PUBLIC_URL says. */
export function readPublicUrl(reader: Reader): URL | undefined {
  const text = reader.text('FLEDGE_PUBLIC_URL', (value) =>
    isSafeUrl(value) && new URL(value).pathname === '/' && !value.includes('?') && !value.includes('#')
      ? undefined
      : 'an address without a path such as https://flags.example.com; http only for this machine itself',
  );
  return text === undefined ? undefined : new URL(text);
}

/** undefined when nobody asked for it; half of it is a problem. */
export function readLogin(reader: Reader, publicUrl: URL | undefined): LoginSettings | undefined {
  const issuer = reader.text('FLEDGE_OIDC_ISSUER', (value) =>
    isSafeUrl(value) ? undefined : 'the https address of an OpenID Connect provider; http only for this machine itself',
  );
  if (issuer === undefined) {
    for (const name of OPTIONAL) {
      if (reader.text(`FLEDGE_OIDC_${name}`) !== undefined)
        reader.problem(`FLEDGE_OIDC_${name}`, 'to come together with FLEDGE_OIDC_ISSUER, which is not set or wrong');
    }
    return undefined;
  }
  const clientId = reader.text('FLEDGE_OIDC_CLIENT_ID');
  if (clientId === undefined)
    reader.problem('FLEDGE_OIDC_CLIENT_ID', 'the client that FLEDGE_OIDC_ISSUER knows this service as');
  if (publicUrl === undefined)
    reader.problem(
      'FLEDGE_PUBLIC_URL',
      'where browsers find this service, since FLEDGE_OIDC_ISSUER sends them back there',
    );
  const mapping = reader.list('FLEDGE_OIDC_ROLES', (item) => (toRole(item) === undefined ? MAPPING : undefined));
  const login = {
    issuer: new URL(issuer),
    clientSecret: reader.text('FLEDGE_OIDC_CLIENT_SECRET'),
    scope:
      reader.text('FLEDGE_OIDC_SCOPE', (value) =>
        value.split(' ').includes('openid') ? undefined : 'scopes with blanks between them, openid among them',
      ) ?? 'openid profile email',
    claim: reader.text('FLEDGE_OIDC_ROLES_CLAIM') ?? 'roles',
    roles: new Map(
      mapping.length === 0 ? ROLES.map((role) => [role, role]) : mapping.flatMap((item) => toRole(item) ?? []),
    ),
    sessionMs: reader.integer('FLEDGE_OIDC_SESSION_HOURS', 8, 1, 168) * 3_600_000,
  };
  return clientId === undefined || publicUrl === undefined ? undefined : { ...login, clientId, publicUrl };
}

const MAPPING = `pairs such as platform-team:admin, *:viewer; after the colon one of ${ROLES.join(', ')}`;

/** As a list of one, so that it can be spread. */
function toRole(item: string): [[string, Role]] | undefined {
  const [, value, name] = /^(.+):([a-z]+)$/.exec(item) ?? [];
  const role = ROLES.find((known) => known === name);
  return value === undefined || role === undefined ? undefined : [[value.trim(), role]];
}

const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]']);

/** What is sent in the clear beyond this machine can be read and changed on the way. */
function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && LOCAL.has(hostname));
}

/** The highest role that the claims of a person give; undefined: none. */
export function roleOf(
  claims: Readonly<Record<string, unknown>>,
  { claim, roles }: Pick<LoginSettings, 'claim' | 'roles'>,
): Role | undefined {
  const found = claimIn(claims, claim);
  const values = Array.isArray(found) ? found : typeof found === 'string' ? found.split(' ') : [];
  const given = new Set(['*', ...values].map((value) => (typeof value === 'string' ? roles.get(value) : undefined)));
  return ROLES.findLast((role) => given.has(role));
}

/** A claim by its name, which may hold dots itself, or by its path. */
export function claimIn(claims: Readonly<Record<string, unknown>>, claim: string): unknown {
  if (Object.hasOwn(claims, claim)) return claims[claim];
  return claim
    .split('.')
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? Object.entries(value).find(([key]) => key === name)?.[1]
          : undefined,
      claims,
    );
}
