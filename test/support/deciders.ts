import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from './service.js';

/** How much faster time passes for them. */
const SPEED = 60;
const WINDOW_MS = 10_000;
const READ_AFTER_MS = 5_000;

/** How many windows of ten seconds can be read by one instant and could not by another. */
export const windowsBetween = (from: Date, to: Date): number =>
  Math.floor((to.getTime() - READ_AFTER_MS) / WINDOW_MS) - Math.floor((from.getTime() - READ_AFTER_MS) / WINDOW_MS);

/** The real reconciler alone: it decides about every rollout that is due, each of which sees the same healthy traffic in every window. */
const CODE = `
import { createDataSource, RolloutReconciling } from '@fledge/store';
const [url, began] = process.argv.slice(1);
const now = () => new Date(Number(began) + (Date.now() - Number(began)) * ${SPEED});
const arm = (n) => {
  const k = Math.round(n / 50);
  const errors = { n, k, a: n, f: k, r: n, g: k, N: [], K: [] };
  return { first: { n, groups: [] }, metrics: { errors } };
};
const place = (at) => Math.floor((at.getTime() - ${READ_AFTER_MS}) / ${WINDOW_MS});
const read = async (_tx, { epoch, percentage, lastTickAt }, at) => {
  const canary = Math.round(20 * percentage);
  const length = Math.max(0, place(at) - place(lastTickAt));
  return Array.from({ length }, (_, index) => (
    { epoch, start: (place(lastTickAt) + index) * ${WINDOW_MS}, canary: arm(canary), baseline: arm(2_000 - canary) }));
};
const dataSource = await createDataSource({ url, poolSize: 1 }).initialize();
const replica = new RolloutReconciling(dataSource, read);
for (;;) {
  if ((await replica.tick(now())) === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  process.stdout.write('.');
}
`;

/** Processes that decide about rollouts side by side, of which any may be killed at any moment: another one takes its place. */
export class Deciders {
  readonly #databaseUrl: string;
  /** Where their time begins (ms), from which it runs ahead. */
  readonly #began = Date.now();
  #running: ChildProcess[] = [];
  /** Those that have decided about something, which takes a second after the launch. */
  readonly #busy = new Set<ChildProcess>();
  #errors = '';
  killed = 0;

  constructor(databaseUrl: string, count: number) {
    this.#databaseUrl = databaseUrl;
    for (let each = 0; each < count; each += 1) this.#launch();
  }

  /** What they have complained of. */
  get errors(): string {
    return this.#errors;
  }

  /** SIGKILL to one that is at work, whatever it is doing, unless no other is. */
  killOne(): void {
    const victim = this.#busy.size > 1 ? [...this.#busy][Math.floor(Math.random() * this.#busy.size)] : undefined;
    if (victim === undefined) return;
    this.#busy.delete(victim);
    this.#running = this.#running.filter((child) => child !== victim);
    victim.kill('SIGKILL');
    this.killed += 1;
    this.#launch();
  }

  async stop(): Promise<void> {
    const ends = this.#running.filter(({ exitCode }) => exitCode === null).map((child) => once(child, 'exit'));
    for (const child of this.#running) child.kill('SIGKILL');
    await Promise.all(ends);
  }

  #launch(): void {
    const code = ['--input-type=module', '-e', CODE, this.#databaseUrl, String(this.#began)];
    const child = spawn(process.execPath, code, { cwd: join(ROOT, 'test'), stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', () => this.#running.includes(child) && this.#busy.add(child));
    child.stderr.on('data', (chunk) => (this.#errors += String(chunk)));
    this.#running.push(child);
  }
}
