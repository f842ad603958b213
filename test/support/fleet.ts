import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLoadBalancer, type LoadBalancer } from './load-balancer.js';
import { launchReplica, type Replica } from './replica.js';

/** Two replicas on one database behind a load balancer. Once told so, one or the other is killed again and again, and replaced. */
export class Fleet {
  readonly #databaseUrl: string;
  readonly #balancer: LoadBalancer;
  #serving: Replica[] = [];
  #starting: Replica | undefined;
  readonly #life = new AbortController();
  #killing: Promise<void> = Promise.resolve();
  /** How many were killed so far. */
  killed = 0;
  /** What they all printed, which is errors. */
  printed = '';

  private constructor(databaseUrl: string, balancer: LoadBalancer) {
    this.#databaseUrl = databaseUrl;
    this.#balancer = balancer;
  }

  static async start(databaseUrl: string): Promise<Fleet> {
    const fleet = new Fleet(databaseUrl, await startLoadBalancer());
    fleet.#serving = await Promise.all([fleet.#launch(), fleet.#launch()]);
    for (const replica of fleet.#serving) await replica.ready();
    fleet.#balance();
    return fleet;
  }

  get url(): string {
    return this.#balancer.url;
  }

  /** From now on SIGKILL comes at random moments, a few seconds apart; there is always another that serves. */
  killAtRandom(): void {
    this.#killing = this.#killNext();
  }

  async stopKilling(): Promise<void> {
    this.#life.abort();
    await this.#killing;
  }

  async stop(): Promise<void> {
    await this.stopKilling();
    await this.#balancer.close();
    for (const replica of [...this.#serving, this.#starting]) if (replica !== undefined) await this.#end(replica);
  }

  async #killNext(): Promise<void> {
    const { signal } = this.#life;
    while (!signal.aborted) {
      await sleep(2_000 + Math.random() * 5_000, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const victim = this.#serving.splice(Math.floor(Math.random() * this.#serving.length), 1)[0];
      if (victim === undefined) return;
      await this.#end(victim);
      this.killed += 1;
      this.#balance();
      const next = await this.#launch();
      this.#starting = next;
      const ready = next.ready();
      await Promise.race([ready, once(signal, 'abort')]);
      // Whoever is told to stop does not wait for a replica that nobody needs any more.
      ready.catch(() => undefined);
      if (signal.aborted) return;
      this.#starting = undefined;
      this.#serving.push(next);
      this.#balance();
    }
  }

  async #end(replica: Replica): Promise<void> {
    await replica.kill();
    this.printed += replica.output();
  }

  #balance(): void {
    this.#balancer.serve(this.#serving.map(({ url }) => url));
  }

  #launch(): Promise<Replica> {
    return launchReplica(this.#databaseUrl);
  }
}
