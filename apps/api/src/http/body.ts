import type { FastifyInstance } from 'fastify';
import { RequestError } from './problem.js';
import { variableOf } from './request-limits.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The bytes of a JSON body, as they came. */
    rawBody?: Buffer;
  }
}

/** What SDKs report is sums and stays small. */
const REPORT_BYTES = 262_144;
const REPORT_PATHS = /^\/sdk\/v1\/(?:outcomes|exposures)$/;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Accepts JSON of so many levels and nothing else, as it is: what is compressed could be a thousand times as large. Keeps the bytes for the Idempotency-Key's comparison. */
export function acceptJson(server: FastifyInstance, depth: number): void {
  server.addHook('onRequest', ({ headers }, _reply, done) => {
    const coding = headers['content-encoding'];
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    if (!hasBody || coding === undefined || coding.toLowerCase() === 'identity') return done();
    done(new RequestError(415, 'unsupported_coding', 'Expected a body without Content-Encoding.'));
  });
  server.addHook('onRoute', (route) => {
    if (REPORT_PATHS.test(route.url))
      route.bodyLimit = Math.min(REPORT_BYTES, server.initialConfig.bodyLimit ?? REPORT_BYTES);
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(
    /^application\/(?:[\w.-]+\+)?json(?:\s*;|$)/i,
    { parseAs: 'buffer' },
    (request, body: Buffer, done) => {
      try {
        request.rawBody = body;
        done(null, parseJson(body, depth));
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  );
}

/** @throws RequestError 400 for what is not JSON in UTF-8, 422 for JSON that is too deep or carries a key that could do harm */
function parseJson(body: Buffer, depth: number): unknown {
  if (body.length === 0) return undefined;
  const text = decode(body);
  const value = parse(text);
  refuseHarmful(value, depth);
  return value;
}

function decode(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new RequestError(400, 'invalid_utf8', 'The body is not valid UTF-8.');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const where =
      error instanceof Error ? /position \d+(?: \(line \d+ column \d+\))?/.exec(error.message)?.[0] : undefined;
    throw new RequestError(400, 'not_json', `The body is not valid JSON${where === undefined ? '' : ` at ${where}`}.`);
  }
}

/** An object or a list of the body, and where it stands. */
type Place = { readonly value: object; readonly pointer: string };

const isNested = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Walks the value without recursion: depth is the client's to choose, the stack is ours. */
function refuseHarmful(root: unknown, deepest: number): void {
  let level: Place[] = isNested(root) ? [{ value: root, pointer: '' }] : [];
  // The root is the first level.
  for (let depth = 1; level.length > 0; depth += 1) {
    const next = level.flatMap(insideOf);
    const [tooDeep] = next;
    if (tooDeep !== undefined && depth >= deepest) {
      const limit = 'bodyDepth';
      const message = `Expected at most ${deepest} levels of nesting.`;
      throw new RequestError(422, 'too_deep', `The body has more than ${deepest} levels (${variableOf(limit)}).`, {
        limit,
        maximum: deepest,
        errors: [{ pointer: tooDeep.pointer, code: 'too_deep', message }],
      });
    }
    level = next;
  }
}

/** The objects and lists in a place. Lists of numbers are the most of what SDKs report, and are passed over at once. */
function insideOf({ value, pointer }: Place): Place[] {
  if (Array.isArray(value) && !value.some(isNested)) return [];
  return Object.entries(value).flatMap(([key, member]: [string, unknown]) => {
    if (key === '__proto__') {
      throw new RequestError(422, 'forbidden_key', 'The body has a key "__proto__", which is never accepted.', {
        errors: [{ pointer: `${pointer}/${key}`, code: 'forbidden_key', message: 'Expected any other key.' }],
      });
    }
    if (!isNested(member)) return [];
    return [{ value: member, pointer: `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}` }];
  });
}
