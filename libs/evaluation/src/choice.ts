import type { JsonValue } from './context.js';
import type { Evaluation, EvaluationMetadata, Reason } from './evaluation.js';
import { compileGate } from './gate.js';
import type { Gate } from './gate.js';
import { isNumber, isRecord, isScalar, isText, own } from './json.js';
import { need } from './run.js';

/** Something a flag can answer: made once when the flag is compiled. */
export type Choice = {
  readonly variant: string | undefined;
  readonly value: JsonValue | undefined;
  readonly reason: Reason;
  readonly metadata: EvaluationMetadata;
  /** Where a rollout watches: the same choice as its arms make it. */
  readonly arms: Arms | undefined;
  /** The answer, and the snapshot's version that it names; null before there is one. */
  version: unknown;
  answer: Evaluation | undefined;
};

/** One choice by the arm of the unit: the buckets below the gate's limit are the canary. */
type Arms = { readonly gate: Gate; readonly canary: Choice; readonly baseline: Choice };

/** The mark of a rollout, and what it says of itself. */
export type Mark = { readonly gate: Gate; readonly metadata: EvaluationMetadata };

/** True for what a flag may hand through. */
export function isMetadata(value: unknown): value is EvaluationMetadata {
  return isRecord(value) && Object.values(value).every(isScalar);
}

/** The choice of a variant of the flag, or of none (null: the caller's default). */
export function choice(
  flag: unknown,
  variant: string | null,
  reason: Reason,
  extra?: EvaluationMetadata,
  mark?: Mark,
): Choice {
  const type = own(flag, 'type');
  const isValue = (value: unknown): value is JsonValue =>
    value !== null && value !== undefined && typeof value === type;
  const plain: Choice = {
    variant: variant ?? undefined,
    value: variant === null ? undefined : need(own(flag, 'variants'), variant, isValue),
    reason,
    metadata: { ...need(flag, 'metadata', isMetadata, {}), ...extra },
    arms: undefined,
    version: null,
    answer: undefined,
  };
  if (mark === undefined) return plain;
  const { gate, metadata } = mark;
  const inArm = (arm: string): Choice => ({ ...plain, metadata: { ...plain.metadata, ...metadata, arm } });
  return { ...plain, arms: { gate, canary: inArm('canary'), baseline: inArm('baseline') } };
}

/** Compiles a rollout's mark, if there is one. What is not understood of it measures nothing and breaks nothing. */
export function compileMark(measure: unknown, gate: unknown, salt: unknown): Mark | undefined {
  if (measure === undefined) return undefined;
  try {
    const metadata = { rollout: need(measure, 'rollout', isText), epoch: need(measure, 'epoch', isNumber) };
    return { gate: compileGate(gate, salt, measure), metadata };
  } catch {
    return undefined;
  }
}
