import type { Context } from '@fledge/evaluation';
import { RequestError } from '../http/problem.js';

/**
 * The evaluation context of a request. None at all is an empty one, and one without targetingKey is legal.
 * @throws RequestError 400 `not_json` for a body that is no object, `invalid_context`
 */
export function contextOf(body: unknown): Context {
  if (body === undefined) throw new RequestError(400, 'not_json', 'The body is empty; send {"context": {…}}.');
  if (!isObject(body)) {
    throw new RequestError(
      400,
      'not_json',
      `Expected an object like {"context": {…}} as the body, got ${nameOf(body)}.`,
    );
  }
  if (!Object.hasOwn(body, 'context')) return {};
  const { context } = body;
  if (!isObject(context)) {
    throw new RequestError(400, 'invalid_context', `Expected an object as the context, got ${nameOf(context)}.`);
  }
  if (!isContext(context)) {
    throw new RequestError(
      400,
      'invalid_context',
      `Expected a string as the targetingKey, got ${nameOf(context['targetingKey'])}.`,
    );
  }
  return context;
}

type JsonObject = { readonly [name: string]: unknown };

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Everything else about it is JSON because it was parsed as such. */
const isContext = (value: JsonObject): value is Context =>
  !Object.hasOwn(value, 'targetingKey') || typeof value['targetingKey'] === 'string';

const nameOf = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'an array'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`;
