import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

/**
 * A second opinion on regular expressions, beside the subset that libs/evaluation allows: recheck (https://makenowjust-labs.github.io/recheck/)
 * finds those whose matching time explodes. It takes up to half a second for one, so it works in a thread of its own, which is
 * started when somebody writes a pattern and ended when nobody has for a while.
 */
export class PatternCheck {
  /** What was found out about patterns, undefined meaning harmless; bounded, the oldest go first. */
  readonly #known = new Map<string, string | undefined>();
  #worker: Worker | undefined;
  #waiting = new Map<string, ((problem: string | undefined) => void)[]>();
  #idle: NodeJS.Timeout | undefined;

  /** The problem of each pattern that has one, after three seconds at most; what could not be judged by then is a problem too. */
  async problems(patterns: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const deadline = Date.now() + TOGETHER_MS;
    const found = new Map<string, string>();
    for (const pattern of new Set(patterns)) {
      const problem = this.#known.has(pattern)
        ? this.#known.get(pattern)
        : await within(deadline - Date.now(), this.#ask(pattern));
      if (problem !== undefined) found.set(pattern, problem);
    }
    return found;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    for (const waiting of this.#waiting.values()) for (const answer of waiting) answer(NOT_JUDGED);
    this.#waiting = new Map();
    await worker?.terminate();
  }

  #ask(pattern: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(pattern);
      this.#waiting.set(pattern, [...(waiting ?? []), resolve]);
      if (waiting === undefined) this.#thread().postMessage(pattern);
    });
  }

  #thread(): Worker {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.stop(), IDLE_MS).unref();
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(PROGRAM, {
      eval: true,
      workerData: createRequire(import.meta.url).resolve('recheck'),
      env: { RECHECK_BACKEND: 'pure' },
    });
    worker.unref();
    worker.on('message', (answer: Answer) => this.#learn(answer));
    worker.once('error', () => void this.stop());
    this.#worker = worker;
    return worker;
  }

  #learn({ pattern, status, type, degree }: Answer): void {
    const problem = problemOf(status, type, degree);
    this.#known.set(pattern, problem);
    if (this.#known.size > MOST_KNOWN) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    for (const answer of this.#waiting.get(pattern) ?? []) answer(problem);
    this.#waiting.delete(pattern);
  }
}

type Answer = {
  readonly pattern: string;
  readonly status: string;
  readonly type: string | undefined;
  readonly degree: number | undefined;
};

const EACH_MS = 500;
const TOGETHER_MS = 3_000;
const IDLE_MS = 30_000;
const MOST_KNOWN = 1_000;
const NOT_JUDGED = 'Its safety could not be judged in time; send fewer patterns at once, or a simpler one.';

/** Texts are at most 4,096 units long, so quadratic time is bearable and anything beyond is not. */
function problemOf(status: string, type: string | undefined, degree: number | undefined): string | undefined {
  if (status !== 'vulnerable') return undefined;
  if (type === 'exponential')
    return 'Matching it can take exponential time; anchor it or remove overlapping repetitions.';
  return degree !== undefined && degree > 2
    ? `Matching it can take time of degree ${degree}; anchor it or remove overlapping repetitions.`
    : undefined;
}

async function within(ms: number, answer: Promise<string | undefined>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(NOT_JUDGED), Math.max(0, ms));
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Text, not a file: it runs the same from sources and from the build. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { checkSync } = require(workerData);
parentPort.on('message', (pattern) => {
  let result = {};
  try { result = checkSync(pattern, 'u', { timeout: ${EACH_MS} }); } catch {}
  const { status = 'unknown', complexity = {} } = result;
  parentPort.postMessage({ pattern, status, type: complexity.type, degree: complexity.degree });
});
`;

/** Every pattern that the conditions of rules hold, wherever it stands. */
export function patternsOf(rules: unknown): string[] {
  if (!Array.isArray(rules)) return [];
  return rules.flatMap((rule: unknown) => {
    const conditions = memberOf(rule, 'conditions');
    if (!Array.isArray(conditions)) return [];
    return conditions.flatMap((condition: unknown) => {
      const values = memberOf(condition, 'operator') === 'matches' ? memberOf(condition, 'values') : [];
      return Array.isArray(values) ? values.filter((value): value is string => typeof value === 'string') : [];
    });
  });
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? new Map<string, unknown>(Object.entries(value)).get(name) : undefined;
