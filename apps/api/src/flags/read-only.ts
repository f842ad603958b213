import { RequestError } from '../http/problem.js';

/**
 * Fields that a GET answers and a PUT may send back, if they say what they said.
 * @throws RequestError 422 for every one that says something else
 */
export function refuseReadOnly(body: object, known: Readonly<Record<string, unknown>>): void {
  const sent = new Map<string, unknown>(Object.entries(body));
  const errors = Object.entries(known)
    .filter(([name, value]) => sent.get(name) !== undefined && sent.get(name) !== value)
    .map(([name, value]) => ({
      pointer: `/${name}`,
      code: 'read_only',
      message: `Expected ${JSON.stringify(value)} or nothing: it never changes.`,
    }));
  if (errors.length > 0)
    throw new RequestError(422, 'invalid', `${errors[0]?.pointer}: ${errors[0]?.message}`, { errors });
}
