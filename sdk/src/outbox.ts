import { FledgeError } from './error.js';
import type { Teller } from './observer.js';
import { backoff, headersOf, unexpected, type Service } from './service.js';
import { guard } from './timer.js';

/** What goes into a report: an item as JSON, and how many observations it stands for. */
export type Item = { readonly json: string; readonly observations: number };

/** What a report says beside its items. */
export type Remarks = { readonly unmeasured?: number; readonly overflow?: number };

/** A report on its way: closed, so that it is the same whenever it is sent. */
type Parcel = {
  readonly id: string;
  readonly closedAt: number;
  readonly spanMs: number;
  readonly dropped: number;
  readonly remarks: Remarks;
  readonly items: readonly Item[];
};

/** The service refuses what is older than five minutes. */
const OLDEST_MS = 290_000;
const MOST_PARCELS = 60;
/** The service takes 256 KiB and 256 items in one report. */
const MOST_CHARACTERS = 200_000;
const MOST_ITEMS = 250;

const TIMEOUT_MS = 10_000;
const LAST_TIMEOUT_MS = 3_000;

const observationsOf = (items: readonly Item[]): number =>
  items.reduce((sum, { observations }) => sum + observations, 0);

/**
 * Sends reports of one kind, each again under its id until it is known to have arrived, refused for good or too old.
 * What has to be dropped is told once and counted in the next report.
 */
export class Outbox {
  readonly #service: Service;
  readonly #path: 'outcomes' | 'exposures';
  readonly #instance: string;
  readonly #teller: Teller;
  /** In order of age; what is being sent stays here until it has arrived. */
  #parcels: Parcel[] = [];
  /** Settles when the last send asked for is over: there is never a second one under way. */
  #sending: Promise<void> = Promise.resolve();
  #failures = 0;
  #notBefore = 0;
  /** Ends what is being sent. */
  #attempt = new AbortController();
  /** Observations that are lost and not yet told of. */
  dropped = 0;

  constructor(service: Service, path: 'outcomes' | 'exposures', instance: string, teller: Teller) {
    this.#service = service;
    this.#path = path;
    this.#instance = instance;
    this.#teller = teller;
  }

  /** Closes a report over these items, or several when they are too many for one. */
  add(items: readonly Item[], spanMs: number, remarks: Remarks = {}): void {
    let rest = items;
    let said = remarks;
    while (rest.length > 0) {
      let characters = 0;
      const fits = rest.findIndex(({ json }, index) => index > 0 && (characters += json.length) > MOST_CHARACTERS);
      const count = Math.min(fits === -1 ? rest.length : fits, MOST_ITEMS);
      if (this.#parcels.length >= MOST_PARCELS) this.#drop('too many wait');
      this.#parcels.push({
        id: crypto.randomUUID(),
        closedAt: this.#service.now(),
        spanMs: Math.max(Math.round(spanMs), 0),
        dropped: this.dropped,
        remarks: said,
        items: rest.slice(0, count),
      });
      this.dropped = 0;
      said = {};
      rest = rest.slice(count);
    }
  }

  /** Sends what waits, unless a failure asks for patience. Resolves when it was tried; never rejects. */
  send(): Promise<void> {
    return this.#then(async () => {
      if (this.#service.now() >= this.#notBefore) await this.#sendAll(TIMEOUT_MS);
    });
  }

  /** Tries at once and once, whatever happened before. */
  flush(): Promise<void> {
    return this.#then(() => this.#sendAll(TIMEOUT_MS));
  }

  /** The last try, in three seconds; what is under way begins again. */
  close(): Promise<void> {
    this.#attempt.abort();
    return this.#then(() => this.#sendAll(LAST_TIMEOUT_MS));
  }

  #then(step: () => Promise<void>): Promise<void> {
    return (this.#sending = this.#sending.then(step));
  }

  async #sendAll(timeoutMs: number): Promise<void> {
    for (let [parcel] = this.#parcels; parcel; [parcel] = this.#parcels) {
      if (this.#service.now() - parcel.closedAt > OLDEST_MS) {
        this.#drop('it is older than five minutes');
        continue;
      }
      const trouble = await this.#post(parcel, timeoutMs);
      if (trouble && !isFinal(trouble)) {
        this.#notBefore = this.#service.now() + backoff(this.#service, this.#failures++, trouble);
        return;
      }
      if (trouble) this.#drop(trouble.message);
      else this.#parcels.shift();
      this.#failures = 0;
    }
  }

  async #post(parcel: Parcel, timeoutMs: number): Promise<FledgeError | undefined> {
    const { fetch } = this.#service;
    const url = `${this.#service.url}/sdk/v1/${this.#path}`;
    this.#attempt = new AbortController();
    try {
      await guard(this.#attempt.signal, async (signal, alive) => {
        alive(timeoutMs);
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', ...headersOf(this.#service) },
          body: this.#bodyOf(parcel),
          signal,
        });
        // Read to its end, so that the connection can be used again.
        await response.text();
        if (!response.ok) throw new Refusal(response.status, unexpected(this.#service, url, response));
      });
      return undefined;
    } catch (cause) {
      return cause instanceof Refusal ? cause : FledgeError.from(cause, 'network', `POST ${url} failed`);
    }
  }

  #bodyOf({ id, closedAt, spanMs, dropped, remarks, items }: Parcel): string {
    const ageMs = Math.max(Math.round(this.#service.now() - closedAt), 0);
    const head = JSON.stringify({ v: 1, id, instance: this.#instance, ageMs, spanMs, dropped, ...remarks });
    return `${head.slice(0, -1)},"items":[${items.map(({ json }) => json).join()}]}`;
  }

  /** Gives the oldest report up. */
  #drop(why: string): void {
    const parcel = this.#parcels.shift();
    if (!parcel) return;
    this.dropped += parcel.dropped + observationsOf(parcel.items);
    this.#teller.report(new FledgeError('report', `A report of ${this.#path} was dropped: ${why}`));
  }
}

/** An answer that is none of those hoped for. */
class Refusal extends FledgeError {
  constructor(
    readonly status: number,
    { kind, message, retryAfterMs }: FledgeError,
  ) {
    super(kind, message, undefined, retryAfterMs);
  }
}

/** Whether the service will never take this report: it understood the request and did not like it. */
const isFinal = (trouble: FledgeError): boolean =>
  trouble instanceof Refusal && trouble.status < 500 && ![401, 403, 408, 425, 429].includes(trouble.status);
