import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';

export type ReadinessState = {
  readonly ready: boolean;
  readonly database: 'reachable' | 'unreachable';
  readonly schema: 'current' | 'behind' | 'unknown';
  /** `listening`: changes are pushed; `polling`: this replica reads the log every second because LISTEN cannot be had. */
  readonly changes: 'listening' | 'polling';
  readonly draining: boolean;
};

type Probes = { readonly database: () => Promise<{ migrated: boolean }>; readonly listening: () => boolean };

/** Who asks gives up soon; a database that does not answer by then is away. */
const PROBE_MS = 2_000;

/** Whether this replica should be sent requests. Falls first at shutdown, so that load balancers look away in time. */
export class Readiness {
  #draining = false;
  readonly #probes: Probes;
  readonly #log: Logger;

  constructor(probes: Probes, log: Logger) {
    this.#probes = probes;
    this.#log = log;
  }

  drain(): void {
    this.#draining = true;
  }

  async state(): Promise<ReadinessState> {
    const { database, schema } = await this.#database();
    return {
      ready: database === 'reachable' && schema === 'current' && !this.#draining,
      database,
      schema,
      changes: this.#probes.listening() ? 'listening' : 'polling',
      draining: this.#draining,
    };
  }

  async #database(): Promise<Pick<ReadinessState, 'database' | 'schema'>> {
    try {
      const { migrated } = await Promise.race([this.#probes.database(), late()]);
      return { database: 'reachable', schema: migrated ? 'current' : 'behind' };
    } catch (error) {
      this.#log.warn({ err: error }, 'the database did not answer the readiness probe');
      return { database: 'unreachable', schema: 'unknown' };
    }
  }
}

async function late(): Promise<never> {
  await sleep(PROBE_MS, undefined, { ref: false });
  throw new Error(`The database has not answered for ${PROBE_MS} ms.`);
}
