import { timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashToken, type Grant, type TokenStore } from '@fledge/store';
import type { Logger } from '../log.js';

/** The grant of FLEDGE_ADMIN_TOKEN. */
export const ENVIRONMENT_GRANT: Grant = {
  id: 'environment',
  name: 'FLEDGE_ADMIN_TOKEN',
  kind: 'management',
  role: 'admin',
  project: null,
  environments: null,
  allowedOrigins: null,
  tags: null,
  person: null,
  expiresAt: null,
};

type Remembered = { readonly grant: Grant | undefined; readonly checkedAt: number };

/** How long an answer of the database is believed; a revocation is notified at once besides. */
const FRESH_MS = 2_000;
/** How long a known SDK key is believed while the database is away: its snapshot is served from memory all that time. */
const OUTAGE_MS = 3_600_000;
/** How long who has a known SDK key waits for the database to confirm it; an answer that comes later is remembered all the same. */
const PATIENCE_MS = 1_000;
const MOST_REMEMBERED = 10_000;
const USES_EVERY_MS = 60_000;

/** Turns the text of a token into what it grants, asking the database at most every two seconds per token. */
export class Authenticator {
  readonly #tokens: TokenStore;
  readonly #adminHash: Buffer | undefined;
  readonly #log: Logger;
  readonly #now: () => number;
  /** By hash or id, never by text. Bounded: the oldest entries go first. */
  readonly #remembered = new Map<string, Remembered>();
  /** One question per token at a time, however many requests wait for its answer. */
  readonly #asking = new Map<string, Promise<Grant | undefined>>();
  /** When tokens were last used, in epoch milliseconds. */
  readonly #uses = new Map<string, number>();
  readonly #usesTimer: NodeJS.Timeout;

  constructor(tokens: TokenStore, adminToken: string | undefined, log: Logger, now: () => number = Date.now) {
    this.#tokens = tokens;
    this.#adminHash = adminToken === undefined ? undefined : hashToken(adminToken);
    this.#log = log;
    this.#now = now;
    this.#usesTimer = setInterval(() => void this.flushUses(), USES_EVERY_MS).unref();
  }

  /**
   * undefined: unknown, expired, revoked. Throws what the store throws when the database is away and nothing is known, and what
   * `beforeAsking` throws: it is called before the database is asked about a text that was not good when last looked up.
   */
  async authenticate(text: string, beforeAsking?: () => Promise<void>): Promise<Grant | undefined> {
    const hash = hashToken(text);
    if (this.#adminHash !== undefined && timingSafeEqual(hash, this.#adminHash)) return ENVIRONMENT_GRANT;
    return this.#known(hash.toString('base64'), () => this.#tokens.authenticate(text), beforeAsking);
  }

  /** The same as far as it can be said without asking; undefined also for what would have to be asked. */
  recall(text: string): Grant | undefined {
    const known = this.#remembered.get(hashToken(text).toString('base64'));
    return known !== undefined && this.#age(known) < FRESH_MS ? this.#use(known.grant) : undefined;
  }

  /** The same for who has proved by other means to come from the token with this id. */
  grantOf(id: string): Promise<Grant | undefined> {
    return this.#known(id, () => this.#tokens.grantOf(id));
  }

  /** After this every token is looked up again: one was revoked somewhere. */
  forget(): void {
    for (const [key, { grant }] of this.#remembered)
      this.#remembered.set(key, { grant, checkedAt: Number.NEGATIVE_INFINITY });
    // What is being answered may have been read before.
    this.#asking.clear();
  }

  async flushUses(): Promise<void> {
    const uses = new Map(Array.from(this.#uses, ([id, at]) => [id, new Date(at)]));
    this.#uses.clear();
    await this.#tokens
      .markUsed(uses)
      .catch((error: unknown) => this.#log.warn({ err: error }, 'last use of tokens not saved'));
  }

  async stop(): Promise<void> {
    clearInterval(this.#usesTimer);
    await this.flushUses();
  }

  async #known(
    key: string,
    ask: () => Promise<Grant | undefined>,
    beforeAsking?: () => Promise<void>,
  ): Promise<Grant | undefined> {
    const known = this.#remembered.get(key);
    const isFresh = known !== undefined && this.#age(known) < FRESH_MS;
    if (!isFresh && known?.grant === undefined) await beforeAsking?.();
    return this.#use(isFresh ? known.grant : await this.#ask(key, ask, known));
  }

  /** The grant, if it is still good, as used now. */
  #use(grant: Grant | undefined): Grant | undefined {
    const now = this.#now();
    if (grant === undefined || (grant.expiresAt !== null && grant.expiresAt.getTime() <= now)) return undefined;
    this.#uses.set(grant.id, now);
    return grant;
  }

  async #ask(
    key: string,
    ask: () => Promise<Grant | undefined>,
    known: Remembered | undefined,
  ): Promise<Grant | undefined> {
    const asking = this.#asking.get(key) ?? this.#askOnce(key, ask);
    if (known?.grant === undefined || this.#age(known) >= OUTAGE_MS) return asking;
    const { grant } = known;
    if (grant.kind === 'management') return asking;
    return Promise.race([asking.catch(() => grant), sleep(PATIENCE_MS, grant, { ref: false })]);
  }

  #askOnce(key: string, ask: () => Promise<Grant | undefined>): Promise<Grant | undefined> {
    const asking = ask();
    this.#asking.set(key, asking);
    // One that was forgotten meanwhile may have been read before the revocation: its answer is not kept.
    const settle = (keep?: () => void): void => {
      if (this.#asking.get(key) !== asking) return;
      this.#asking.delete(key);
      keep?.();
    };
    asking.then(
      (grant) => settle(() => this.#remember(key, { grant, checkedAt: this.#now() })),
      () => settle(),
    );
    return asking;
  }

  /** In milliseconds; a clock that was set back makes an answer older, not younger. */
  #age({ checkedAt }: Remembered): number {
    return Math.abs(this.#now() - checkedAt);
  }

  #remember(key: string, entry: Remembered): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, entry);
    if (this.#remembered.size <= MOST_REMEMBERED) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      break;
    }
  }
}
