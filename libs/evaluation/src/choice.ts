import type { JsonValue } from './context.js';
import type { Evaluation, EvaluationMetadata, Reason } from './evaluation.js';
import { isRecord, isScalar, own, ownOr } from './json.js';

/** Something a flag can answer: made once when the flag is compiled, with the answer remembered for one version. */
export type Choice = {
  readonly variant: string | undefined;
  readonly value: JsonValue | undefined;
  readonly reason: Reason;
  readonly metadata: EvaluationMetadata;
  /** Why the answer is PARSE_ERROR after all, such as a variant that the flag lacks. */
  readonly broken: string | undefined;
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

/** The choice of a variant of the flag, or of none (null: the caller's default). */
export function choice(flag: unknown, variant: string | null, reason: Reason, extra?: EvaluationMetadata): Choice {
  const metadata = metadataOf(flag);
  const value = variant === null ? undefined : own(own(flag, 'variants'), variant);
  const fits = isOfType(value, own(flag, 'type'));
  let broken: string | undefined;
  if (variant !== null && !fits) broken = `the flag has no variant "${variant}" of its type`;
  if (metadata === undefined) broken = 'expected "metadata" to hold texts, numbers, true and false';
  return {
    variant: variant ?? undefined,
    value: fits ? value : undefined,
    reason,
    metadata: { ...metadata, ...extra },
    broken,
    answer: undefined,
  };
}
