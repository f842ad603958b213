import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SecretStore } from '@fledge/store';

const HOUR_MS = 3_600_000;
/** The hour a token is made in, and two more. */
const HOURS = 2;
/** Replicas may disagree about when an hour begins. */
const AHEAD = 1;

/** The hour of the tokens made at `now` (epoch milliseconds), counted from the epoch. */
export const hourOf = (now: number): number => Math.floor(now / HOUR_MS);

/**
 * What stands for a key in the address of an event stream, where the key itself must not be seen: proof that this installation
 * answered the key in a certain hour. The same for a key all hour long, on every replica.
 */
@Injectable()
export class StreamTokens {
  #secret: Promise<Buffer> | undefined;
  /** The newest token of each key. */
  readonly #made = new Map<string, { hour: number; token: string }>();

  constructor(private readonly secrets: SecretStore) {}

  /** The token if it is made already. */
  made(keyId: string, hour: number): string | undefined {
    const made = this.#made.get(keyId);
    return made?.hour === hour ? made.token : undefined;
  }

  async make(keyId: string, hour: number): Promise<string> {
    const made = this.made(keyId, hour);
    if (made !== undefined) return made;
    const token = `${hour}.${keyId}.${(await this.#sign(keyId, hour)).toString('base64url')}`;
    this.#made.set(keyId, { hour, token });
    return token;
  }

  /** The id of the key that the token stands for; undefined when it is forged or too old. */
  async keyOf(token: string, now: number): Promise<string | undefined> {
    const [, hourText, keyId, signature] = /^(\d{1,9})\.([0-9a-f-]{36})\.([\w-]{43})$/.exec(token) ?? [];
    if (keyId === undefined || signature === undefined) return undefined;
    const hour = Number(hourText);
    const age = hourOf(now) - hour;
    if (age > HOURS || age < -AHEAD) return undefined;
    const expected = await this.#sign(keyId, hour);
    return timingSafeEqual(expected, Buffer.from(signature, 'base64url')) ? keyId : undefined;
  }

  async #sign(keyId: string, hour: number): Promise<Buffer> {
    this.#secret ??= this.secrets.get('event-streams');
    try {
      return createHmac('sha256', await this.#secret)
        .update(`${keyId} ${hour}`)
        .digest();
    } catch (error) {
      this.#secret = undefined;
      throw error;
    }
  }
}
