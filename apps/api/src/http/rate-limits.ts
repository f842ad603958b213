import { isIPv6 } from 'node:net';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { RequestError } from './problem.js';
import { variableOf, type RateName, type RequestLimits } from './request-limits.js';

const SECONDS: Readonly<Record<RateName, number>> = {
  addressPerSecond: 1,
  refusalsPerMinute: 60,
  managementPerSecond: 1,
  sdkPerSecond: 1,
  ofrepPerSecond: 1,
};

/** What is counted, for the person who reads the refusal. */
const WHAT: Readonly<Record<RateName, string>> = {
  addressPerSecond: 'requests a second from this address',
  refusalsPerMinute: 'refused tokens a minute from this address',
  managementPerSecond: 'requests a second with this token',
  sdkPerSecond: 'requests a second with this key',
  ofrepPerSecond: 'requests a second with this key',
};

/** Counts what callers ask of this process, in windows that begin with a caller's first request (docs/adr/0018). */
export class RateLimits {
  readonly #limits: RequestLimits;
  readonly #counters: Readonly<Record<RateName, RateLimiterMemory>>;

  constructor(limits: RequestLimits) {
    this.#limits = limits;
    const counter = (name: RateName): RateLimiterMemory =>
      new RateLimiterMemory({ keyPrefix: '', points: limits[name], duration: SECONDS[name] });
    this.#counters = {
      addressPerSecond: counter('addressPerSecond'),
      refusalsPerMinute: counter('refusalsPerMinute'),
      managementPerSecond: counter('managementPerSecond'),
      sdkPerSecond: counter('sdkPerSecond'),
      ofrepPerSecond: counter('ofrepPerSecond'),
    };
  }

  /** Counts one request. @throws RequestError 429 when it is one too many */
  async take(name: RateName, caller: string): Promise<void> {
    if (this.#limits[name] === 0) return;
    try {
      await this.#counters[name].consume(caller);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      throw this.#refusal(name, error.msBeforeNext);
    }
  }

  /** Counts nothing. @throws RequestError 429 when the next request would be one too many */
  async refuseExhausted(name: RateName, caller: string): Promise<void> {
    const maximum = this.#limits[name];
    if (maximum === 0) return;
    const count = await this.#counters[name].get(caller);
    if (count !== null && count.consumedPoints >= maximum) throw this.#refusal(name, count.msBeforeNext);
  }

  #refusal(name: RateName, ms: number): RequestError {
    const maximum = this.#limits[name];
    const retryAfter = Math.max(1, Math.ceil(ms / 1_000));
    const detail = `More than ${maximum} ${WHAT[name]} (${variableOf(name)}); ask again in ${retryAfter} s.`;
    return new RequestError(429, 'too_many_requests', detail, { retryAfter, limit: name, maximum });
  }
}

/** What counts as one address. Who has one of version 6 has at least 2^64 of them: the first half tells callers apart. */
export function callerAt(ip: string): string {
  const inVersion4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (inVersion4 !== undefined || !isIPv6(ip)) return inVersion4 ?? ip;
  const [left = [], right = []] = ip.split('::').map((side) => (side === '' ? [] : side.split(':')));
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`;
}
