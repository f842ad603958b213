import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const DATA_DIR = process.env.FLEDGE_DATA_DIR ?? '.fledge';

const MOST_TRIES = 8;

/** Something that the person at the terminal can mend. */
export class Hint extends Error {}

/** The token of the first start, or the one of FLEDGE_ADMIN_TOKEN. */
async function adminToken() {
  const given = process.env.FLEDGE_ADMIN_TOKEN;
  if (given) return given;
  try {
    return JSON.parse(await readFile(join(DATA_DIR, 'secrets.json'), 'utf8')).adminToken;
  } catch (cause) {
    throw new Hint(`No admin token: ${DATA_DIR}/secrets.json cannot be read, and FLEDGE_ADMIN_TOKEN is not set.`, {
      cause,
    });
  }
}

/** The management API of a running service. */
export class Service {
  #token;

  constructor(url, token) {
    this.url = url;
    this.#token = token;
  }

  /** Finds the service that `npm start` started. */
  static async find(url) {
    try {
      await fetch(`${url}/health/live`);
    } catch (cause) {
      throw new Hint(`Nobody answers at ${url}. Start the service first: npm start`, { cause });
    }
    return new Service(url, await adminToken());
  }

  /**
   * Asks; what is not JSON is answered as text. A command has a key, so that it is done once however often it is sent: whoever gets no
   * answer sends it again.
   */
  async ask(method, path, body) {
    const request = {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body && { 'content-type': 'application/json', 'idempotency-key': randomUUID() }),
      },
      ...(body && { body: JSON.stringify(body) }),
    };
    for (let tries = 1; ; tries += 1) {
      try {
        const response = await fetch(`${this.url}/api/v1${path}`, request);
        const text = await response.text();
        if (response.status === 503 && tries < MOST_TRIES) throw new Error(text);
        const answer = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
        return { status: response.status, answer };
      } catch (cause) {
        if (tries === MOST_TRIES) throw new Hint(`${this.url} does not answer any more.`, { cause });
        await sleep(tries * 200);
      }
    }
  }

  /** The same; refusals are errors but for those that are expected. */
  async must(method, path, body, ...expected) {
    const { status, answer } = await this.ask(method, path, body);
    if (status < 300 || expected.includes(status)) return answer;
    throw new Hint(`${method} ${path} was refused: ${answer.detail ?? status}`);
  }
}
