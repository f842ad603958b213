/**
 * RFC 7386: objects are merged member by member, null removes, anything else replaces; undefined changes nothing.
 * The result has the shape that the caller's validator is about to check.
 */
export function mergePatch<T extends object>(target: T, patch: unknown): T {
  if (patch === undefined) return target;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return merge(target, patch ?? {}) as T;
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result = new Map<string, unknown>(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, merge(result.get(name), value));
  }
  return Object.fromEntries(result);
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
