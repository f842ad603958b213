import type { Evaluation, EvaluationMetadata } from '@fledge/evaluation';

/** A flag's answer in the protocol's words; without `value` the caller's default is meant. */
export type Evaluated = {
  readonly key: string;
  readonly reason: string;
  readonly variant?: string;
  readonly value?: unknown;
  readonly metadata?: EvaluationMetadata;
};

/** A flag that could not be decided. */
export type Failed = {
  readonly key: string;
  readonly errorCode: string;
  readonly errorDetails?: string;
  readonly metadata?: EvaluationMetadata;
};

/** Translates an answer; `metadata` instead of the evaluation's own where something of that is not to be told. */
export function toEvaluated(
  key: string,
  { value, variant, reason, errorCode, errorMessage, metadata: own }: Evaluation,
  metadata: EvaluationMetadata = own,
): Evaluated | Failed {
  const told = Object.keys(metadata).length === 0 ? {} : { metadata };
  if (errorCode !== undefined) return { key, errorCode, errorDetails: errorMessage ?? errorCode, ...told };
  return { key, reason, ...(variant !== undefined && { variant, value }), ...told };
}
