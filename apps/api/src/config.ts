import { BlockList, isIPv4 } from 'node:net';
import { resolve } from 'node:path';
import { DEFAULT_LIMITS, type Limits } from '@fledge/store';
import { Reader, type Environment } from './config-reader.js';
import { readOutgoing, readSealingKeys, type OutgoingSettings } from './outgoing/settings.js';
import { readLogin, readPublicUrl, type LoginSettings } from './login/settings.js';
import { DEFAULT_REQUEST_LIMITS, RANGES, variableOf, type RequestLimits } from './http/request-limits.js';

/** Everything the service can be told from outside, checked and frozen. */
export type Config = {
  readonly host: string;
  readonly port: number;
  readonly database: ExternalDatabase | EmbeddedDatabase;
  readonly adminToken: string | undefined;
  readonly seed: 'demo' | undefined;
  readonly production: boolean;
  readonly logLevel: LogLevel;
  readonly poolSize: number;
  readonly limits: Limits;
  readonly streams: StreamLimits;
  readonly http: HttpSettings;
  /** Whether this process decides about rollouts; another on the same database may. */
  readonly reconciles: boolean;
  /** Where the service itself may send requests, and how patiently. */
  readonly outgoing: OutgoingSettings;
  /** What seals the secrets that must be readable again, the first of them what is new; none: a key in the database. */
  readonly sealingKeys: readonly Buffer[];
  /** How people sign in; undefined: with tokens only. */
  readonly login: LoginSettings | undefined;
};

/** How requests are received. */
export type HttpSettings = {
  readonly limits: RequestLimits;
  /** The proxies whose X-Forwarded-For is believed: addresses, ranges, or Fastify's names for such. */
  readonly trustedProxies: readonly string[];
  /** Where browsers find this service; undefined: it was not said. */
  readonly publicUrl: URL | undefined;
};

/** How many clients may listen for changes: to this process, and with one key. */
export type StreamLimits = { readonly perProcess: number; readonly perKey: number };

/** Any PostgreSQL; `directUrl` reaches it without a transaction pooler, for LISTEN and migrations. */
type ExternalDatabase = { readonly kind: 'external'; readonly url: string; readonly directUrl: string };
/** A PostgreSQL that the service brings along, with its data below `dataDir`. */
type EmbeddedDatabase = { readonly kind: 'embedded'; readonly dataDir: string };

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

/** Names every wrong or missing setting at once. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`Fledge cannot start with these settings:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Reads the settings from an environment. @throws ConfigError with every problem, never only the first */
export function readConfig(env: Environment): Config {
  const problems: string[] = [];
  const reader = new Reader(env, problems);
  const publicUrl = readPublicUrl(reader);
  const config: Config = {
    host: reader.text('HOST') ?? '127.0.0.1',
    port: reader.integer('PORT', 4000, 0, 65_535),
    database: readDatabase(reader),
    adminToken: reader.text('FLEDGE_ADMIN_TOKEN', (value) =>
      value.length < 32 ? `at least 32 characters, it has ${value.length}` : undefined,
    ),
    seed: reader.oneOf('FLEDGE_SEED', ['demo']),
    production: reader.text('NODE_ENV') === 'production',
    logLevel: reader.oneOf('LOG_LEVEL', LOG_LEVELS) ?? 'info',
    poolSize: reader.integer('FLEDGE_POOL_SIZE', 10, 2, 200),
    limits: readLimits(reader, DEFAULT_LIMITS, () => [1, 10_000_000]),
    streams: {
      perProcess: reader.integer('FLEDGE_LIMIT_STREAMS_PER_PROCESS', 10_000, 1, 1_000_000),
      perKey: reader.integer('FLEDGE_LIMIT_STREAMS_PER_KEY', 2_000, 1, 1_000_000),
    },
    http: {
      limits: readLimits(reader, DEFAULT_REQUEST_LIMITS, (name) => RANGES[name]),
      trustedProxies: reader.list('FLEDGE_TRUSTED_PROXIES', notProxy),
      publicUrl,
    },
    reconciles: reader.oneOf('FLEDGE_RECONCILER', ['on', 'off']) !== 'off',
    outgoing: readOutgoing(reader),
    sealingKeys: readSealingKeys(reader),
    login: readLogin(reader, publicUrl),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

function readDatabase(reader: Reader): Config['database'] {
  const url = reader.text('DATABASE_URL', notPostgres);
  const directUrl = reader.text('DATABASE_DIRECT_URL', notPostgres);
  if (url === undefined) {
    if (directUrl !== undefined)
      reader.problem('DATABASE_DIRECT_URL', 'to come together with DATABASE_URL, which is not set');
    return { kind: 'embedded', dataDir: resolve(reader.text('FLEDGE_DATA_DIR') ?? '.fledge') };
  }
  return { kind: 'external', url, directUrl: directUrl ?? url };
}

const notPostgres = (value: string): string | undefined =>
  URL.canParse(value) && /^postgres(ql)?:$/.test(new URL(value).protocol)
    ? undefined
    : 'a URL like postgres://user:password@host:5432/database';

/** Every limit has a variable: rulesPerFlag is FLEDGE_LIMIT_RULES_PER_FLAG. */
function readLimits<Name extends string>(
  reader: Reader,
  defaults: Readonly<Record<Name, number>>,
  range: (name: Name) => readonly [least: number, most: number],
): Readonly<Record<Name, number>> {
  const limits: Record<Name, number> = { ...defaults };
  for (const name in defaults) limits[name] = reader.integer(variableOf(name), defaults[name], ...range(name));
  return limits;
}

/** Fastify's names for the addresses that no router passes on. */
const NEARBY: readonly string[] = ['loopback', 'linklocal', 'uniquelocal'];

function notProxy(text: string): string | undefined {
  if (NEARBY.includes(text)) return undefined;
  const [address = '', bits] = text.split('/');
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  try {
    new BlockList().addSubnet(address, bits === undefined ? 32 : Number(/^\d{1,3}$/.exec(bits)?.[0]), family);
    return undefined;
  } catch {
    return `addresses, ranges such as 10.0.0.0/8, or ${NEARBY.join(', ')}, with commas between them`;
  }
}
