import type { JsonValue } from './context.js';
import type { Evaluation, EvaluationMetadata, Reason } from './evaluation.js';
import { isRecord, isScalar, own, ownOr } from './json.js';

/** Something a flag can answer: made once when the flag is compiled. */
export type Choice = {
  readonly variant: string | undefined;
  readonly value: JsonValue | undefined;
  /** The value's type; undefined without a variant. */
  readonly type: string | undefined;
  readonly reason: Reason;
  readonly metadata: EvaluationMetadata;
  /** Why the answer is PARSE_ERROR after all, such as a variant that the flag lacks. */
  readonly broken: string | undefined;
  /** The snapshot's version that the answer below names; null before there is one. */
  version: number | undefined | null;
  answer: Evaluation | undefined;
};

function isMetadata(value: unknown): value is EvaluationMetadata {
  return isRecord(value) && Object.values(value).every(isScalar);
}

/** The metadata of a flag; undefined when the document holds something else than scalars there. */
export function metadataOf(flag: unknown): EvaluationMetadata | undefined {
  const metadata = ownOr(flag, 'metadata', {});
  return isMetadata(metadata) ? metadata : undefined;
}

function isOfType(value: unknown, type: unknown): value is JsonValue {
  return value !== undefined && value !== null && typeof value === type;
}

function chosen(
  variant: string | undefined,
  value: JsonValue | undefined,
  reason: Reason,
  metadata: EvaluationMetadata,
  broken: string | undefined,
): Choice {
  const type = value === undefined ? undefined : typeof value;
  return { variant, value, type, reason, metadata, broken, version: null, answer: undefined };
}

/** The choice of a document that cannot be understood. */
export function brokenChoice(message: string): Choice {
  return chosen(undefined, undefined, 'ERROR', {}, message);
}

/** The choice of a variant of the flag, or of none (null: the caller's default). */
export function choice(flag: unknown, variant: string | null, reason: Reason, extra?: EvaluationMetadata): Choice {
  const metadata = metadataOf(flag);
  if (metadata === undefined) return brokenChoice('expected "metadata" to hold texts, numbers, true and false');
  const all = { ...metadata, ...extra };
  if (variant === null) return chosen(undefined, undefined, reason, all, undefined);
  const value = own(own(flag, 'variants'), variant);
  if (isOfType(value, own(flag, 'type'))) return chosen(variant, value, reason, all, undefined);
  return brokenChoice(`the flag has no variant "${variant}" of its type`);
}
