import { createApp, createLogger, createRuntime, readConfig, type Runtime, type RuntimeOptions } from '@fledge/api';
import { SERVICE } from '@fledge/store';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import supertest from 'supertest';
import { createDatabase, type TestDatabase } from './database.js';
import { isEditedPastTheLog } from './sql.js';
import { documentsIn, newestChange, undoEverything } from './undo-everything.js';

export const ADMIN_TOKEN = 'an-admin-token-that-only-tests-know-0123456789';

/** What no log may hold: a token of any kind or of a stream, or the secret of a webhook. */
export const SECRET = new RegExp(
  String.raw`${ADMIN_TOKEN}|fledge_(?:admin|sdk|client)_[0-9A-Za-z]{38}|\d{6}\.[0-9a-f-]{36}\.[\w-]{43}|whsec_[0-9A-Za-z+/]{43}=`,
);

/** Tests ask more often than people. */
export const UNLIMITED = {
  FLEDGE_LIMIT_ADDRESS_PER_SECOND: '0',
  FLEDGE_LIMIT_MANAGEMENT_PER_SECOND: '0',
  FLEDGE_LIMIT_REFUSALS_PER_MINUTE: '0',
} as const;

/** The real application on a real PostgreSQL, listening on a port of its own. */
export interface TestApi {
  readonly url: string;
  readonly runtime: Runtime;
  readonly app: NestFastifyApplication;
  readonly databaseUrl: string;
  /** Requests as an administrator; `path` is below /api/v1 unless it begins with another top. */
  readonly admin: Client;
  /** Requests with any token, or none. */
  as(token: string | undefined): Client;
  /** A new SDK key of an environment of project `default`. */
  sdkKey(environment?: string): Promise<string>;
  /** `undoing`: not before every change is undone that was made here, to the documents of the beginning, byte for byte. */
  stop(options?: { readonly undoing?: boolean }): Promise<void>;
}

export interface Client {
  get(path: string): supertest.Test;
  post(path: string, body?: unknown): supertest.Test;
  put(path: string, body?: unknown): supertest.Test;
  patch(path: string, body?: unknown): supertest.Test;
  delete(path: string): supertest.Test;
  options(path: string): supertest.Test;
}

/** What the settings of a test may differ in: variables as `readConfig` reads them. */
export type Settings = Readonly<Record<string, string>>;

/**
 * Starts it with project `default` and environments `development` and `production`. `database`: one that another replica uses already;
 * `more`: what no setting says.
 */
export async function startApi(
  settings: Settings = {},
  database?: TestDatabase,
  more: Partial<RuntimeOptions> = {},
  port = 0,
): Promise<TestApi> {
  const own = database ?? (await createDatabase());
  const config = readConfig({
    DATABASE_URL: own.url,
    FLEDGE_ADMIN_TOKEN: ADMIN_TOKEN,
    LOG_LEVEL: 'trace',
    ...UNLIMITED,
    ...settings,
  });
  const leaks: string[] = [];
  const log = createLogger(config, false, { write: (line) => void (SECRET.test(line) && leaks.push(line)) });
  const directUrl = config.database.kind === 'external' ? config.database.directUrl : own.url;
  const runtime = createRuntime({ ...config, url: own.url, directUrl, log, ...more });
  await runtime.start();
  if (database === undefined) {
    await runtime.stores.projects.create(SERVICE, { key: 'default', name: 'Default' }, ['development', 'production']);
  }
  runtime.readiness.begin();
  const undoAll = database === undefined ? await rememberHowItStands(own.url) : undefined;
  const app = await createApp(runtime, log);
  await app.listen(port, '127.0.0.1');
  const url = await app.getUrl();
  const as = (token: string | undefined): Client => client(url, token);
  const admin = as(ADMIN_TOKEN);
  return {
    url,
    runtime,
    app,
    databaseUrl: own.url,
    admin,
    as,
    async sdkKey(environment = 'production') {
      const answer = await admin
        .post('/tokens', { name: 'test', kind: 'sdk', project: 'default', environment })
        .expect(201);
      return (answer.body as { token: string }).token;
    },
    async stop({ undoing = UNDOES_EVERYTHING } = {}) {
      runtime.streams.drain();
      runtime.signals.drain();
      await app.close();
      await runtime.stop();
      try {
        if (undoing)
          await undoAll?.(() => createRuntime({ ...config, url: own.url, directUrl, log, reconciles: false }));
      } finally {
        if (database === undefined) await own.drop();
      }
      if (leaks.length > 0) throw new Error(`The log holds secrets:\n${leaks.join('')}`);
    },
  };
}

/** FLEDGE_REVERT_ALL=1: whatever any spec has changed is undone at its end. */
export const UNDOES_EVERYTHING = process.env['FLEDGE_REVERT_ALL'] === '1';

/** Answers what undoes everything from now on, with a runtime of its own. @throws when the documents are not as they were, byte for byte */
export async function rememberHowItStands(url: string): Promise<(create: () => Runtime) => Promise<void>> {
  const since = await newestChange(url);
  const stood = await documentsIn(url);
  return async (create) => {
    if (isEditedPastTheLog(url)) return;
    const runtime = create();
    await runtime.start();
    const { undone, refused } = await undoEverything(runtime, url, since);
    await runtime.stop();
    const [before, after] = [stood.join('\n'), (await documentsIn(url)).join('\n')];
    process.stdout.write(`${undone} changes undone\n`);
    if (refused.length > 0 || before !== after)
      throw new Error(`Not everything was undone:\n${refused.join('\n')}\nBefore:\n${before}\nNow:\n${after}`);
  };
}

function client(url: string, token: string | undefined): Client {
  const agent = supertest(url);
  const full = (path: string): string =>
    /^\/(api|sdk|ofrep|health|metrics|docs|openapi|login)/.test(path) ? path : `/api/v1${path}`;
  const authorized = (request: supertest.Test): supertest.Test =>
    token === undefined ? request : request.set('authorization', `Bearer ${token}`);
  const sending = (request: supertest.Test, body: unknown): supertest.Test =>
    body === undefined ? authorized(request) : authorized(request).send(body as object);
  return {
    get: (path) => authorized(agent.get(full(path))),
    post: (path, body) => sending(agent.post(full(path)), body),
    put: (path, body) => sending(agent.put(full(path)), body),
    patch: (path, body) => sending(agent.patch(full(path)), body),
    delete: (path) => authorized(agent.delete(full(path))),
    options: (path) => authorized(agent.options(full(path))),
  };
}

/** The path of a flag's targeting in production. */
export const targetingPath = (flag: string, environment = 'production'): string =>
  `/projects/default/environments/${environment}/flags/${flag}`;
