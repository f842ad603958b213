import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { CHANNEL, TOKENS } from './change-log.js';
import { ROLLOUT_CHANNEL } from './rollouts/channel.js';

/** An environment has a new version; 0: it is gone. */
export type Hint = { readonly environmentId: number; readonly version: number };

export type ChangeFeedOptions = {
  /** A session connection: LISTEN does not work through a transaction pooler. */
  readonly url: string;
  readonly onHint: (hint: Hint) => void;
  /** A token was revoked somewhere: what is remembered about tokens is to be forgotten. */
  readonly onTokens: () => void;
  /** Something happened to the rollout with this id. */
  readonly onRollout: (id: string) => void;
  /** Called after every (re)connect: whatever was notified meanwhile is to be read from the log. */
  readonly onConnected: () => void;
  /** Called whenever it begins to hear nothing, with the reason. */
  readonly onTrouble: (message: string) => void;
};

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/** How long a notification may be on its way. */
const OVERDUE_MS = 1_000;

/**
 * One connection that listens for new versions, for ever: a lost one is replaced. What it says is a hint, never the truth: whoever
 * uses it reads the log by version, after every connect and every few seconds by itself.
 */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions;
  readonly #stopped = new AbortController();
  /** From its first moment, so that `stop` finds it while it still connects. */
  #client: pg.Client | undefined;
  #listening = false;
  /** While a notification is missing; it has fired when none came. */
  #overdue: NodeJS.Timeout | undefined;
  #deaf = false;
  #running: Promise<void> | undefined;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
  }

  /** Whether it hears of changes: LISTEN stands, and what was notified came through. */
  get hears(): boolean {
    return this.#listening && !this.#deaf;
  }

  /**
   * To be told when the log holds a change of which nothing was heard. If nothing comes within a second it counts as deaf until
   * something does: a transaction pooler accepts LISTEN and passes no notification on.
   */
  miss(): void {
    if (!this.hears) return;
    this.#overdue ??= setTimeout(() => {
      this.#deaf = true;
      this.#options.onTrouble(
        'LISTEN was accepted, but notifications do not arrive; is a transaction pooler in between?',
      );
    }, OVERDUE_MS).unref();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#overdue);
    hangUp(this.#client);
    await this.#running;
  }

  async #run(): Promise<void> {
    let delay = FIRST_DELAY_MS;
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#listen(() => {
          delay = FIRST_DELAY_MS;
        });
      } catch (error) {
        if (!this.#stopped.signal.aborted)
          this.#options.onTrouble(error instanceof Error ? error.message : String(error));
      }
      // Full jitter: many replicas that lost the same database do not come back at the same moment.
      await sleep(Math.random() * delay, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
      delay = Math.min(delay * 2, LONGEST_DELAY_MS);
    }
  }

  /** Listens until the connection is lost. */
  async #listen(onListening: () => void): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#options.url,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      application_name: 'fledge-feed',
    });
    this.#client = client;
    const lost = new Promise<void>((resolve, reject) => {
      client.on('error', reject);
      client.once('end', resolve);
    });
    // The promise is awaited below; until then a failed connect must not count as an unhandled rejection.
    lost.catch(() => undefined);
    let heartbeat: NodeJS.Timeout | undefined;
    try {
      await client.connect();
      heartbeat = this.#watch(client);
      client.on('notification', ({ channel, payload }) => this.#notify(channel, payload));
      await client.query(`LISTEN ${CHANNEL}`);
      await client.query(`LISTEN ${ROLLOUT_CHANNEL}`);
      this.#hear();
      this.#listening = true;
      onListening();
      this.#options.onConnected();
      await lost;
    } finally {
      this.#listening = false;
      clearInterval(heartbeat);
      hangUp(client);
    }
  }

  /** A connection that a network swallowed reports nothing by itself; a query that does not come back does. */
  #watch(client: pg.Client): NodeJS.Timeout {
    let answered = true;
    return setInterval(() => {
      if (!answered) {
        hangUp(client, new Error('The listening connection does not answer.'));
        return;
      }
      answered = false;
      client.query('SELECT 1').then(
        () => {
          answered = true;
        },
        () => undefined,
      );
    }, 5_000).unref();
  }

  #hear(): void {
    clearTimeout(this.#overdue);
    this.#overdue = undefined;
    this.#deaf = false;
  }

  #notify(channel: string, payload: string | undefined): void {
    this.#hear();
    if (channel === ROLLOUT_CHANNEL) {
      this.#options.onRollout(payload ?? '');
      return;
    }
    if (payload === TOKENS) {
      this.#options.onTokens();
      return;
    }
    const [environmentId, version] = (payload ?? '').split(' ').map(Number);
    if (environmentId === undefined || version === undefined || Number.isNaN(environmentId + version)) return;
    this.#options.onHint({ environmentId, version });
  }
}

/** Without a farewell, which on a network that swallows everything would be waited for: there is nothing to lose. */
function hangUp(client: pg.Client | undefined, reason?: Error): void {
  client?.connection.stream.destroy(reason);
}
