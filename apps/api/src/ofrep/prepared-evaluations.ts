import type { Context } from '@fledge/evaluation';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { EVALUATION_ACCESS } from '../auth/access.js';
import type { Authenticator } from '../auth/authenticator.js';
import { knownGrant } from '../auth/known-grant.js';
import type { SnapshotCache } from '../delivery/snapshot-cache.js';
import { answerAhead } from '../http/ahead.js';
import type { RateLimits } from '../http/rate-limits.js';
import { contextOf } from './context.js';
import type { Asked, Evaluations } from './evaluations.js';
import { originHeaders } from './origins.js';
import { hourOf, type StreamTokens } from './stream-tokens.js';

type Memory = {
  readonly authenticator: Authenticator;
  readonly snapshots: SnapshotCache;
  readonly rates: RateLimits;
  readonly tokens: StreamTokens;
  readonly evaluations: Evaluations;
};

/**
 * Answers at once who asks with a key that was looked up a moment ago, in an environment that is in memory, which is nearly everybody:
 * the same answers as the controller's, without the framework's way to them. Whatever is missing or wrong is left to the controller.
 */
export function answerEvaluations(server: FastifyInstance, memory: Memory): void {
  const { evaluations, rates, tokens } = memory;
  const path = '/ofrep/v1/evaluate/flags';
  answerAhead(server, { method: 'POST', url: `${path}/:key`, at: 'preHandler' }, (request) => {
    const known = knownIn(memory, request);
    const key = textIn(request.params, 'key');
    if (known === undefined || key === undefined) return undefined;
    return async (reply) => {
      await rates.take('ofrepPerSecond', known.keyId);
      evaluations.one(reply.headers(known.headers), key, known);
    };
  });
  answerAhead(server, { method: 'POST', url: path, at: 'preHandler' }, (request) => {
    const known = knownIn(memory, request);
    const token = known && tokens.made(known.keyId, hourOf(known.now));
    if (known === undefined || token === undefined) return undefined;
    return async (reply) => {
      await rates.take('ofrepPerSecond', known.keyId);
      evaluations.all(request, reply.headers(known.headers), token, known);
    };
  });
}

type Known = Asked & { readonly keyId: string; readonly headers: Readonly<Record<string, string>> };

/** Who asks, what, and what its answer says to browsers; undefined when the controller has to find out, or to refuse. */
function knownIn({ authenticator, snapshots }: Memory, request: FastifyRequest): Known | undefined {
  const grant = knownGrant(authenticator, EVALUATION_ACCESS, request);
  const headers = grant && originHeaders(request, grant.allowedOrigins);
  const id = grant?.environments?.[0]?.id;
  if (grant === undefined || headers === undefined || id === undefined) return undefined;
  const environment = snapshots.held(id, textIn(request.query, 'flagConfigEtag'))?.seenBy(grant.tags);
  const context = contextIn(request.body);
  if (environment === undefined || context === undefined) return undefined;
  return { keyId: grant.id, headers, environment, context, now: Date.now() };
}

function contextIn(body: unknown): Context | undefined {
  try {
    return contextOf(body);
  } catch {
    return undefined;
  }
}

function textIn(record: unknown, name: string): string | undefined {
  const value: unknown = typeof record === 'object' && record !== null ? Reflect.get(record, name) : undefined;
  return typeof value === 'string' ? value : undefined;
}
