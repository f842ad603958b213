import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** An answer that is at hand: sends it, or rejects with why the request is refused. */
export type ReadyAnswer = (reply: FastifyReply) => Promise<void>;

/**
 * Lets a route answer ahead of its controller where everything is at hand, with what all routes have in common (limits, headers, the
 * log) but without the framework's guards, pipes and interceptors, which take most of the time of a request that takes no work.
 * `at`: `onRequest` without a body, `preHandler` with one. Call before the routes are registered.
 */
export function answerAhead(
  server: FastifyInstance,
  { method, url, at }: { readonly method: string; readonly url: string; readonly at: 'onRequest' | 'preHandler' },
  answerTo: (request: FastifyRequest) => ReadyAnswer | undefined,
): void {
  server.addHook('onRoute', (route) => {
    if (route.url !== url || ![route.method].flat().includes(method)) return;
    route[at] = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
      const answer = answerTo(request);
      if (answer === undefined) done();
      else atEndOfTurn(() => void sent(answer, reply, done));
    };
  });
}

const waiting: (() => void)[] = [];

/**
 * What becomes ready in one turn of the event loop is sent at its end, one after the other. A write wakes whoever waits for it at the
 * other end, which takes as long as everything else about such an answer; one that is awake already costs nothing to reach.
 */
function atEndOfTurn(send: () => void): void {
  if (waiting.push(send) > 1) return;
  setImmediate(() => {
    for (const each of waiting.splice(0)) each();
  });
}

/** Never throws: others wait behind it. */
async function sent(answer: ReadyAnswer, reply: FastifyReply, refuse: (error: Error) => void): Promise<void> {
  try {
    await answer(reply);
  } catch (error) {
    refuse(error instanceof Error ? error : new Error(String(error)));
  }
}
