import { TARGETING_KEY, attribute, read } from './attribute.js';
import type { Attribute } from './attribute.js';
import { threshold, unitText } from './bucket.js';
import { isRecord, own, ownOr } from './json.js';
import type { JsonRecord } from './json.js';
import { fmix32, murmur3 } from './murmur3.js';
import { unitHash } from './run.js';
import type { Run, Truth } from './run.js';

/** What gates and splits have in common: the attribute that is bucketed, and the hash of the salt. */
export type Draw = { readonly bucketBy: Attribute; readonly saltHash: number };

/** A draw that lets in the buckets below the limit. */
export type Gate = Draw & { readonly limit: number };

/** The bucket of the context's unit, signed, so that the engine need not box it; undefined, and noted in the run, when it has none. */
export function bucketOf({ bucketBy, saltHash }: Draw, context: JsonRecord, run: Run): number | undefined {
  const unit = unitText(read(bucketBy, context, run.now));
  if (unit !== undefined) return fmix32(unitHash(run, unit) ^ saltHash);
  run.unitMissing ??= bucketBy.name;
  return undefined;
}

/** True lets in, false keeps out; unknown when the context has no unit. */
export function admits(gate: Gate, context: JsonRecord, run: Run): Truth {
  const bucket = bucketOf(gate, context, run);
  return bucket === undefined ? undefined : bucket >>> 0 < gate.limit;
}

/** The gate of a draw at a percentage. */
export function gateOf({ bucketBy, saltHash }: Draw, percentage: number): Gate {
  return { bucketBy, saltHash, limit: threshold(percentage) };
}

/** Compiles a draw; a text says what is wrong, undefined that the kind is not known. */
export function compileDraw(document: unknown, defaultSalt: unknown): Draw | string | undefined {
  if (ownOr(document, 'bucketing', 1) !== 1) return undefined;
  const bucketBy = ownOr(document, 'bucketBy', TARGETING_KEY.name);
  const salt = ownOr(document, 'salt', defaultSalt);
  if (typeof bucketBy !== 'string' || typeof salt !== 'string') return 'expected "bucketBy" and "salt" to be text';
  return { bucketBy: attribute(bucketBy), saltHash: murmur3(salt) | 0 };
}

/** Compiles a gate; a text says what is wrong, undefined that the kind is not known. */
export function compileGate(gate: unknown, defaultSalt: unknown): Gate | string | undefined {
  if (!isRecord(gate)) return 'expected a gate to be an object';
  const draw = compileDraw(gate, defaultSalt);
  if (typeof draw !== 'object') return draw;
  const percentage = own(gate, 'percentage');
  if (typeof percentage !== 'number' || !(percentage >= 0 && percentage <= 100))
    return 'expected "percentage" of a gate to be from 0 to 100';
  return gateOf(draw, percentage);
}
