import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { TokenKind } from './entities/token.entity.js';

const PREFIX = { management: 'fledge_admin_', sdk: 'fledge_sdk_', client: 'fledge_client_' } as const;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * A new secret: the kind's prefix, 32 random characters (190 bits) and a checksum of six, so that scanners of leaked secrets
 * recognise one without asking the service.
 */
export function newTokenText(kind: TokenKind): string {
  const body = PREFIX[kind] + base62(BigInt(`0x${randomBytes(30).toString('hex')}`), 32);
  return body + checksum(body);
}

/** SHA-256 suffices: the secret is random and long, there is nothing to guess. */
export const hashToken = (text: string): Buffer => hash('sha256', text, 'buffer');

/** What a person may see of a token. */
export const hintOf = (text: string): string => `${text.slice(0, text.lastIndexOf('_') + 5)}…`;

/** Whether a text that looks like one of our tokens cannot be one: mistyped, cut off or guessed. Saves asking the database. */
export const isMalformed = (text: string): boolean =>
  Object.values(PREFIX).some((prefix) => text.startsWith(prefix)) && checksum(text.slice(0, -6)) !== text.slice(-6);

const checksum = (body: string): string => base62(BigInt(crc32(body)), 6);

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = (DIGITS[Number(rest % 62n)] ?? '0') + text;
  return text;
}
