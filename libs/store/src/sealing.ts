import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { SecretStore } from './secrets.js';

/** No key that is at hand opens what was sealed. */
export class SealError extends Error {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = 'SealError';
  }
}

const CIPHER = 'aes-256-gcm';
/** Of NIST SP 800-38D: an IV of 96 random bits, a tag of 128. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const ID_BYTES = 4;

const idOf = (key: Buffer): Buffer => createHash('sha256').update(key).digest().subarray(0, ID_BYTES);

/**
 * Keeps secrets that must be readable again, unlike tokens: AES-256-GCM, bound to the place they are kept in, so that one cannot be
 * moved to another. The first of `keys` seals (32 bytes each), all of them open, as does the installation's own in the database,
 * which seals where no key is given.
 */
export class Sealer {
  #installation: Promise<Buffer> | undefined;

  constructor(
    private readonly secrets: SecretStore,
    private readonly keys: readonly Buffer[] = [],
  ) {}

  async seal(text: string, place: string): Promise<Buffer> {
    const key = this.keys[0] ?? (await this.#own());
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([idOf(key), iv, cipher.getAuthTag(), sealed]);
  }

  /** @throws SealError when the key is missing, or it was sealed for another place or changed */
  async open(sealed: Buffer, place: string): Promise<string> {
    const keys = [...this.keys, await this.#own()];
    const key = keys.find((each) => idOf(each).equals(sealed.subarray(0, ID_BYTES)));
    if (key === undefined) throw new SealError('None of the keys in FLEDGE_SECRETS_KEY has sealed this secret.');
    const at = (from: number, length: number): Buffer => sealed.subarray(from, from + length);
    try {
      const decipher = createDecipheriv(CIPHER, key, at(ID_BYTES, IV_BYTES), { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(place))
        .setAuthTag(at(ID_BYTES + IV_BYTES, TAG_BYTES));
      const text = decipher.update(sealed.subarray(ID_BYTES + IV_BYTES + TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch (error) {
      throw new SealError('The secret was sealed for another place, or changed since.', { cause: error });
    }
  }

  /** Asked for once; again after a failure. */
  #own(): Promise<Buffer> {
    this.#installation ??= this.secrets.get('sealing').catch((error: unknown) => {
      this.#installation = undefined;
      throw error;
    });
    return this.#installation;
  }
}
