import { Agent } from 'node:http';
import fc from 'fast-check';
import { ServiceClient } from '../support/service-client.js';
import type { Answer, ApiDocument } from './document.js';
import { requestsTo, type FuzzRequest } from './requests.js';
import { send } from './send.js';
import { prepareWorld } from './world.js';

export type FuzzReport = {
  /** How many requests of each kind were sent. */
  readonly kinds: Readonly<Record<string, number>>;
  /** How many answers had each status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Operations that never answered with success. */
  readonly neverReached: readonly string[];
  /** What was not as it must be, each kind once, with the request that showed it. */
  readonly findings: readonly string[];
  /** The least heap in use in the first and in the last third of the run, in bytes. */
  readonly heap: readonly [first: number, last: number];
};

/** So many are asked at once: writes meet each other. */
const AT_ONCE = 8;
const BATCH = 200;

/** Sends so many requests drawn from the document to a service, and compares every answer with it. The seed draws the same ones again. */
export async function fuzz(
  url: string,
  adminToken: string,
  document: ApiDocument,
  count: number,
  seed: number,
): Promise<FuzzReport> {
  const admin = new ServiceClient(url, adminToken);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const kinds: Record<string, number> = {};
  const statuses: Record<string, number> = {};
  const findings = new Map<string, string>();
  const reached = new Set<string>();
  const heap: number[] = [];
  for (let done = 0; done < count; done += BATCH) {
    const { tokens, ids } = await prepareWorld(url, adminToken);
    const numRuns = Math.min(BATCH, count - done);
    const queue = fc.sample(requestsTo(document, ids), { numRuns, seed: seed + done });
    const ask = async (asked: FuzzRequest): Promise<void> => {
      const { operation, kind, caller } = asked;
      const name = `${operation.method} ${operation.path}`;
      const answer = await send(agent, url, asked, tokens[caller % tokens.length] ?? '').catch(String);
      count1(kinds, kind);
      if (typeof answer !== 'string') count1(statuses, String(answer.status));
      if (typeof answer !== 'string' && answer.status < 400) reached.add(name);
      const finding = problemOf(document, asked, answer);
      if (finding === undefined || findings.has(`${name}: ${finding}`)) return;
      findings.set(`${name}: ${finding}`, described(asked, answer, seed + done));
    };
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) await ask(next);
      }),
    );
    heap.push(await admin.figure('nodejs_heap_size_used_bytes'));
  }
  agent.destroy();
  const third = Math.max(1, Math.floor(heap.length / 3));
  const names = document.operations.map(({ method, path }) => `${method} ${path}`);
  return {
    kinds,
    statuses,
    neverReached: names.filter((name) => !reached.has(name)),
    findings: [...findings].map(([finding, example]) => `${finding}\n    ${example}`),
    heap: [Math.min(...heap.slice(0, third)), Math.min(...heap.slice(-third))],
  };
}

function count1(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** Refusals of what never became a request to the operation: a path that leads elsewhere, a head that is too large. */
const BEFORE_ROUTING = /"code":"(?:no_such_path|bad_url|headers_too_large)"/;

function problemOf(document: ApiDocument, asked: FuzzRequest, answer: Answer | string): string | undefined {
  if (typeof answer === 'string') return answer;
  if (answer.status >= 500) return `status ${answer.status}`;
  if (asked.strays || BEFORE_ROUTING.test(answer.body)) return undefined;
  return document.contradiction(asked.operation, answer);
}

const described = (
  { operation, kind, path, headers, body }: FuzzRequest,
  answer: Answer | string,
  seed: number,
): string =>
  [
    `${kind}, of the batch of seed ${seed}: ${operation.method} ${path} ${JSON.stringify(headers).slice(0, 1_000)}`,
    String(body ?? '').slice(0, 1_000),
    typeof answer === 'string' ? '' : `→ ${answer.status} ${answer.type} ${answer.body.slice(0, 1_000)}`,
  ].join('\n    ');
