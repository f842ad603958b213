import { TARGETING_KEY, attribute, read } from './attribute.js';
import type { Attribute } from './attribute.js';
import { threshold, unitText } from './bucket.js';
import { isText, own } from './json.js';
import type { JsonRecord } from './json.js';
import { fmix32, murmur3 } from './murmur3.js';
import { need, unitHash } from './run.js';
import type { Run, Truth } from './run.js';

/** What gates and splits have in common: the attribute that is bucketed, and the hash of the salt. */
export type Draw = { readonly bucketBy: Attribute; readonly saltHash: number };

/** A draw that lets in the buckets below the limit. */
export type Gate = Draw & { readonly limit: number };

/** The bucket of the context's unit, signed, so that the engine need not box it; undefined when it has no unit. */
export function bucketOf({ bucketBy, saltHash }: Draw, context: JsonRecord, run: Run): number | undefined {
  const unit = unitText(read(bucketBy, context, run));
  return unit === undefined ? undefined : fmix32(unitHash(run, unit) ^ saltHash);
}

/** Notes in the run that a draw was passed over for want of a unit; the first stays. */
export function pass({ bucketBy }: Draw, run: Run): undefined {
  run.extra = { unitMissing: bucketBy.name, ...run.extra };
}

/** True lets in, false keeps out; unknown, and noted in the run, when the context has no unit. */
export function admits(gate: Gate, context: JsonRecord, run: Run): Truth {
  const bucket = bucketOf(gate, context, run);
  return bucket === undefined ? pass(gate, run) : bucket >>> 0 < gate.limit;
}

/** False for a document that asks for the bucketing of a later version, which makes its rule not apply. */
export function isKnownDraw(document: unknown): boolean {
  const bucketing = own(document, 'bucketing');
  return bucketing === undefined || bucketing === 1;
}

function isPercentage(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 100;
}

/** Compiles what gates and splits have in common. */
export function compileDraw(document: unknown, salt: unknown): Draw {
  const bucketBy = attribute(need(document, 'bucketBy', isText, TARGETING_KEY.name));
  return { bucketBy, saltHash: murmur3(need(document, 'salt', isText, salt)) | 0 };
}

/** Compiles a gate; a rollout's mark has a percentage of its own and all else from its rule's gate. */
export function compileGate(document: unknown, salt: unknown, measure = document): Gate {
  const { bucketBy, saltHash } = compileDraw(document, salt);
  return { bucketBy, saltHash, limit: threshold(need(measure, 'percentage', isPercentage)) };
}
