/** A JSON object of unknown content; arrays and null are none. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** True for a JSON object; false for arrays, null and scalars. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a JSON array. */
export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** True for a string. */
export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** True for true and false. */
export function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

/** True for a finite number, as all of JSON's are. */
export function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

/** True for a string, a boolean or a finite number: what JSON writes without brackets, but for null. */
export function isScalar(value: unknown): value is string | number | boolean {
  return isText(value) || isBoolean(value) || isNumber(value);
}

/** The own property of a JSON object; undefined for what is inherited, absent or not asked of an object. */
export function own(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** The own property of a JSON object, or the default when it is absent; a property that is null is there. */
export function ownOr(value: unknown, key: string, absent: unknown): unknown {
  const property = own(value, key);
  return property === undefined ? absent : property;
}

/** The elements of a JSON array, none for anything else: for readers of documents that nobody has validated. */
export function elements(value: unknown): readonly unknown[] {
  return isList(value) ? value : [];
}

/** A value of an unvalidated document as text, JSON for what is none; unlike `String` it throws for nothing. */
export function asText(value: unknown): string {
  return isText(value) ? value : (JSON.stringify(value) ?? '');
}
