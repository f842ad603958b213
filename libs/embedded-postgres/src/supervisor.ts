import { setTimeout as sleep } from 'node:timers/promises';
import { type Postmaster, stopPostmaster } from './postmaster.js';
import { describeEnd } from './run.js';
import { type Server, startServer } from './server.js';
import type { ServerSettings } from './settings.js';

const ATTEMPTS = 8;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 10_000;
/** A server that lived this long had a new misfortune, not the old one. */
const STABLE_MS = 60_000;

/**
 * Keeps a started server running: when it ends without being asked to, it is started again with the same settings, at
 * most eight times in a row with growing pauses (about 40 seconds in all), each told to `log`.
 */
export class Supervisor {
  readonly #server: Server;
  readonly #settings: ServerSettings;
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #postmaster: Postmaster;
  #stopped: Promise<void> | undefined;

  constructor(server: Server, settings: ServerSettings, postmaster: Postmaster) {
    this.#server = server;
    this.#settings = settings;
    this.#postmaster = postmaster;
    process.once('exit', this.#interrupt);
    this.#watching = this.#watch();
  }

  /** Stops the server in order and ends the supervision; the same promise however often it is called. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    // One that is only being started is stopped too: watching ends when it has ended.
    await stopPostmaster(this.#postmaster);
    await this.#watching;
    process.removeListener('exit', this.#interrupt);
  }

  async #watch(): Promise<void> {
    let failures = 0;
    for (;;) {
      const since = Date.now();
      const how = describeEnd(await this.#postmaster.ended);
      if (this.#stopping.signal.aborted) return;
      if (Date.now() - since > STABLE_MS) failures = 0;
      this.#server.log(`PostgreSQL ended unasked (${how}); starting it again`);
      while (!(await this.#again(failures))) {
        if (this.#stopping.signal.aborted) return;
        failures++;
        if (failures >= ATTEMPTS) {
          this.#server.log(
            `PostgreSQL failed ${ATTEMPTS} times in a row and is not started again; see ${this.#server.serverLog.file}`,
          );
          return;
        }
      }
    }
  }

  async #again(failures: number): Promise<boolean> {
    const pause = Math.min(FIRST_PAUSE_MS * 4 ** failures, LONGEST_PAUSE_MS);
    await sleep(pause, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined);
    if (this.#stopping.signal.aborted) return false;
    try {
      const { signal } = this.#stopping;
      const spawned = (postmaster: Postmaster): void => {
        this.#postmaster = postmaster;
        if (signal.aborted) postmaster.signal('INT');
      };
      const start = await startServer(this.#server, this.#settings, spawned, signal);
      if (start.kind === 'ready') {
        this.#server.log(`PostgreSQL is back on port ${this.#settings.port}`);
        return true;
      }
      this.#server.log(start.error.message);
    } catch (error) {
      this.#server.log(error instanceof Error ? error.message : String(error));
    }
    return false;
  }

  readonly #interrupt = (): void => this.#postmaster.signal('INT');
}
