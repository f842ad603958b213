import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { applyChange, type Change, type Flag, type Snapshot } from '@fledge/evaluation';

export const SDK_KEY = 'fledge_sdk_test';

/** A boolean flag that is on or off for everyone. */
export const switched = (key: string, on: boolean, extra: Partial<Flag> = {}): Flag => ({
  key,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  offVariant: 'off',
  prerequisites: [],
  rules: [],
  fallthrough: { variant: on ? 'on' : 'off' },
  ...extra,
});

export const snapshotOf = (
  version: number,
  flags: Record<string, boolean | Flag>,
  extra: Partial<Snapshot> = {},
): Snapshot => ({
  project: 'default',
  environment: 'production',
  version,
  revision: `${version}-aaaaaaaa`,
  flags: Object.fromEntries(
    Object.entries(flags).map(([key, flag]) => [key, typeof flag === 'boolean' ? switched(key, flag) : flag]),
  ),
  cohorts: {},
  ...extra,
});

export const sse = (event: string, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

type Seen = { readonly path: string; readonly headers: IncomingMessage['headers']; readonly at: number };
/** Answers instead of the service; true when it did. */
type Override = (request: IncomingMessage, response: ServerResponse) => boolean;

/** The SDK's part of a Fledge service, as the HTTP contract describes it, around one environment kept in memory. */
export class FakeService {
  readonly #server = createServer((request, response) => this.#answer(request, response));
  readonly #log = new Map<string, Change>();
  readonly requests: Seen[] = [];
  readonly streams = new Set<ServerResponse>();
  snapshot: Snapshot;
  key = SDK_KEY;
  override: Override = () => false;
  /** The most streams and polls that were ever under way together. */
  mostAtOnce = 0;
  #atOnce = 0;

  private constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
  }

  static async start(snapshot: Snapshot, port = 0): Promise<FakeService> {
    const service = new FakeService(snapshot);
    await new Promise<void>((resolve) => {
      service.#server.listen(port, '127.0.0.1', resolve);
    });
    return service;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** How often the path was asked for. */
  count(path: 'snapshot' | 'stream'): number {
    return this.requests.filter((request) => request.path === `/sdk/v1/${path}`).length;
  }

  /** The requests for the path, in order. */
  seen(path: 'snapshot' | 'stream'): Seen[] {
    return this.requests.filter((request) => request.path === `/sdk/v1/${path}`);
  }

  /** Makes the next version and sends it to every open stream. */
  change(flags: Record<string, boolean>): void {
    const { version } = this.snapshot;
    const change: Change = {
      from: version,
      version: version + 1,
      revision: `${version + 1}-aaaaaaaa`,
      flags: Object.fromEntries(Object.entries(flags).map(([key, on]) => [key, switched(key, on)])),
    };
    const next = applyChange(this.snapshot, change);
    if (!next) throw new Error('the change does not fit');
    this.#log.set(this.snapshot.revision ?? '', change);
    this.snapshot = next;
    this.send(sse('patch', change, change.revision));
  }

  /** Writes to every open stream. */
  send(text: string): void {
    for (const stream of this.streams) stream.write(text);
  }

  /** Ends every open stream, cleanly or by cutting the connection. */
  drop(cut = false): void {
    for (const stream of this.streams) stream[cut ? 'destroy' : 'end']();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push({ path: request.url ?? '', headers: request.headers, at: performance.now() });
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    response.once('close', () => {
      this.#atOnce--;
      this.streams.delete(response);
    });
    if (this.override(request, response)) return;
    if (request.headers.authorization !== `Bearer ${this.key}`) {
      response.writeHead(401, { 'content-type': 'application/problem+json' }).end('{"status":401}');
    } else if (request.url === '/sdk/v1/snapshot') {
      this.#answerSnapshot(request, response);
    } else if (request.url === '/sdk/v1/stream') {
      this.#answerStream(request, response);
    } else if (request.method === 'POST') {
      request.resume();
      response.writeHead(202).end();
    } else {
      response.writeHead(404).end();
    }
  }

  #answerSnapshot(request: IncomingMessage, response: ServerResponse): void {
    const etag = `"${this.snapshot.revision}"`;
    if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end();
    else response.writeHead(200, { etag, 'content-type': 'application/json' }).end(JSON.stringify(this.snapshot));
  }

  #answerStream(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    const held = request.headers['last-event-id'];
    const { version, revision } = this.snapshot;
    const change = typeof held === 'string' ? this.#log.get(held) : undefined;
    if (held === revision) response.write(sse('current', { version, revision }, revision));
    else if (change?.version === version) response.write(sse('patch', change, revision));
    else response.write(sse('put', held === undefined ? this.snapshot : { ...this.snapshot, reset: true }, revision));
    this.streams.add(response);
  }
}

/** Resolves once the condition holds; rejects after ten seconds. */
export const until = async (condition: () => boolean, what = 'the condition'): Promise<void> => {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`gave up waiting until ${what} holds`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
};
