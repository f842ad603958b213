import { lookup, type LookupAddress } from 'node:dns';
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Problem } from '@fledge/evaluation';
import { AddressPolicy } from './addresses.js';
import type { OutgoingSettings } from './settings.js';

/** What a receiver answered. `text`: the beginning of its body. */
export type Answer = { readonly status: number; readonly text: string; readonly retryAfterMs: number | undefined };

/** Why there is no answer, in words that may be shown: nothing of the inside is in them. */
export class OutgoingError extends Error {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = 'OutgoingError';
  }
}

const MOST_BYTES = 65_536;
const MOST_CHARACTERS = 2_000;

/**
 * Sends requests to addresses that people name, and to nothing that is not theirs to name: a name is resolved once, every address it
 * has is judged, and the connection goes to one of those. No redirect is followed; the answer is bounded in size and time.
 */
export class Outgoing {
  readonly #settings: Pick<OutgoingSettings, 'http' | 'addresses' | 'timeoutMs'>;
  readonly #policy: AddressPolicy;

  constructor(settings: Pick<OutgoingSettings, 'http' | 'addresses' | 'timeoutMs'>) {
    this.#settings = settings;
    this.#policy = new AddressPolicy(settings.addresses);
  }

  /** What is wrong with an address, as far as can be told without asking anybody. */
  problems(text: string, pointer: string): Problem[] {
    const wrong = this.#wrong(text);
    return wrong === undefined ? [] : [{ pointer, ...wrong }];
  }

  /**
   * Posts JSON; whatever the status, the answer is an answer. @throws OutgoingError when there is none, when `signal` ends it, or
   * when the address may not be reached
   */
  async post(
    address: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
  ): Promise<Answer> {
    const wrong = this.#wrong(address);
    if (wrong !== undefined) throw new OutgoingError(wrong.message);
    const { timeoutMs } = this.#settings;
    const late = AbortSignal.timeout(timeoutMs);
    try {
      return await this.#send(new URL(address), headers, body, AbortSignal.any([signal, late]));
    } catch (error) {
      if (error instanceof OutgoingError) throw error;
      if (late.aborted) throw new OutgoingError(`No answer within ${timeoutMs / 1_000} s.`, { cause: error });
      throw new OutgoingError(reasonOf(error), { cause: error });
    }
  }

  #wrong(text: string): Omit<Problem, 'pointer'> | undefined {
    const { http } = this.#settings;
    const wanted = `Expected an ${http ? 'http or https' : 'https'} address of at most ${MOST_CHARACTERS.toLocaleString('en')} characters`;
    if (text.length > MOST_CHARACTERS || !URL.canParse(text)) return { code: 'format', message: `${wanted}.` };
    const url = new URL(text);
    if (url.protocol !== 'https:' && !(http && url.protocol === 'http:'))
      return { code: 'format', message: `${wanted}${http ? '' : '; FLEDGE_WEBHOOK_HTTP allows http'}.` };
    if (url.username !== '' || url.password !== '')
      return { code: 'format', message: 'Expected no user and password in the address: messages are signed instead.' };
    if (url.hash !== '') return { code: 'format', message: 'Expected no fragment: it would never be sent.' };
    const refusal = isIP(hostOf(url)) === 0 ? undefined : this.#policy.refusal(hostOf(url));
    return refusal === undefined ? undefined : { code: 'forbidden_address', message: forbidden(refusal) };
  }

  #send(url: URL, headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal): Promise<Answer> {
    const options: RequestOptions = {
      method: 'POST',
      headers: {
        'user-agent': 'Fledge-Webhooks',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...headers,
      },
      // A connection of its own: none that was opened for somebody else's name is used again.
      agent: false,
      lookup: this.#lookup,
      signal,
    };
    return new Promise((resolve, reject) => {
      const answered = (response: IncomingMessage): void => {
        readStart(response).then(
          (text) =>
            resolve({
              status: response.statusCode ?? 0,
              text,
              retryAfterMs: retryAfter(response.headers['retry-after']),
            }),
          reject,
        );
      };
      const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options, answered);
      request.once('error', reject);
      request.end(body);
    });
  }

  /** Node asks here for the addresses to connect to; a literal address it does not ask for is judged with the address itself. */
  readonly #lookup: LookupFunction = (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found: LookupAddress[] | undefined) => {
      const addresses = found ?? [];
      const refusals = addresses.map(({ address }) => this.#policy.refusal(address));
      // One that may not be reached is a reason to reach none: which one is taken is not ours to say.
      const refusal = refusals.find((each) => each !== undefined);
      const [first] = addresses;
      if (error !== null) callback(error, '');
      else if (refusal !== undefined) callback(new OutgoingError(forbidden(refusal)), '');
      else if (first === undefined) callback(new OutgoingError('The name has no address.'), '');
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

const forbidden = (kind: string): string =>
  `The address is not a public one (${kind}); FLEDGE_WEBHOOK_ADDRESSES allows what is meant.`;

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

/** The beginning of a body; the rest is not waited for. */
async function readStart(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MOST_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MOST_BYTES).toString('utf8');
}

/** Seconds alone: what is said as a date would be judged by a clock that is not ours. */
const retryAfter = (header: string | undefined): number | undefined =>
  header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1_000 : undefined;

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The name cannot be resolved.',
  EAI_AGAIN: 'The name cannot be resolved at the moment.',
  ECONNREFUSED: 'The connection was refused.',
  ECONNRESET: 'The connection was broken off.',
  EHOSTUNREACH: 'The host cannot be reached.',
  ENETUNREACH: 'The network cannot be reached.',
};

function reasonOf(error: unknown): string {
  // Of several addresses each has failed; the first says why as well as any.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (first instanceof OutgoingError) return first.message;
  const code = first instanceof Error && 'code' in first && typeof first.code === 'string' ? first.code : '';
  return REASONS[code] ?? (code === '' ? 'The request failed.' : `The request failed (${code}).`);
}
