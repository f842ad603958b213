import { ADMIN_TOKEN } from './api.js';

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the service says; the assertions look at it
  readonly body: any;
};

/** Talks to a service of whatever make over HTTP: one that runs in this process, in another, or behind a proxy. */
export class ServiceClient {
  constructor(
    readonly url: string,
    private readonly token: string = ADMIN_TOKEN,
  ) {}

  /** Asks below /api/v1, unless the path begins with another top; rejects only when there is no answer. */
  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const full = /^\/(api|sdk|ofrep|health|metrics)/.test(path) ? path : `/api/v1${path}`;
    const response = await fetch(this.url + full, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, headers: response.headers, body: json && text !== '' ? JSON.parse(text) : text };
  }

  /** The same, and any refusal is an error. */
  async must(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    const answer = await this.ask(method, path, body, headers);
    if (answer.status < 300) return answer;
    throw new Error(`${method} ${path} was answered with ${answer.status}: ${JSON.stringify(answer.body)}`);
  }

  /** Makes project `default` with environments `development` and `production`. */
  async begin(): Promise<void> {
    await this.must('POST', '/projects', { key: 'default' });
    for (const key of ['development', 'production']) await this.must('POST', '/projects/default/environments', { key });
  }

  /** Makes boolean flags, disabled everywhere. */
  async makeFlags(...keys: string[]): Promise<void> {
    for (const key of keys) await this.must('POST', '/projects/default/flags', { key, type: 'boolean' });
  }

  /** A new SDK key, with its id. */
  async makeKey(environment = 'production', more: object = {}): Promise<{ id: string; key: string }> {
    const asked = { name: 'test', kind: 'sdk', project: 'default', environment, ...more };
    const { body } = await this.must('POST', '/tokens', asked);
    return { id: body.id as string, key: body.token as string };
  }

  /** Turns a flag on or off in production. Answers the version that the service acknowledged. */
  async toggle(flag: string, on: boolean): Promise<number> {
    const path = `/projects/default/environments/production/flags/${flag}/${on ? 'enable' : 'disable'}`;
    return (await this.must('POST', path, {})).body.version as number;
  }

  /** A figure of /metrics. */
  async figure(name: string): Promise<number> {
    const { body } = await this.must('GET', '/metrics');
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body as string)?.[1]);
  }
}
