import type { RetryPlan } from '@fledge/store';
import type { Reader } from '../config-reader.js';
import { isRange } from './addresses.js';

/** Where the service itself may send requests, and how patiently. */
export type OutgoingSettings = {
  /** Whether messages may be sent in the clear. */
  readonly http: boolean;
  /** Addresses and ranges that may be reached although they are not public. */
  readonly addresses: readonly string[];
  /** From resolving the name to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly retries: RetryPlan;
};

const FIRST_DELAY_MS = 5_000;
const LONGEST_DELAY_MS = 6 * 3_600_000;

export const readOutgoing = (reader: Reader): OutgoingSettings => ({
  http: reader.oneOf('FLEDGE_WEBHOOK_HTTP', ['on', 'off']) === 'on',
  addresses: reader.list('FLEDGE_WEBHOOK_ADDRESSES', (item) =>
    isRange(item) ? undefined : 'addresses or ranges such as 10.1.0.0/16, with commas between them',
  ),
  timeoutMs: reader.integer('FLEDGE_WEBHOOK_TIMEOUT_SECONDS', 10, 1, 60) * 1_000,
  retries: {
    attempts: reader.integer('FLEDGE_WEBHOOK_ATTEMPTS', 12, 1, 50),
    firstDelayMs: FIRST_DELAY_MS,
    longestDelayMs: LONGEST_DELAY_MS,
  },
});

const KEY_BYTES = 32;

/** Keys that seal what must be readable again, the first of them what is new. */
export const readSealingKeys = (reader: Reader): readonly Buffer[] =>
  reader
    .list('FLEDGE_SECRETS_KEY', (item) =>
      isKey(item) ? undefined : '32 bytes in base64 (openssl rand -base64 32), several with commas between them',
    )
    .filter(isKey)
    .map((item) => Buffer.from(item, 'base64'));

const isKey = (text: string): boolean =>
  /^[A-Za-z0-9+/]{43}=$/.test(text) && Buffer.from(text, 'base64').length === KEY_BYTES;
