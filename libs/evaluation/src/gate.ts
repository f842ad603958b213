import { attribute } from './attribute.js';
import { threshold, unitText } from './bucket.js';
import { isRecord, own, ownOr } from './json.js';
import { fmix32, murmur3 } from './murmur3.js';
import { breaks, never, unitHash } from './run.js';
import type { Run, Test } from './run.js';

/** The bucket of a run's unit, or undefined, noted in the run, when it has none. */
export type Draw = (run: Run) => number | undefined;

/** Compiles what gates and splits have in common; a text says what is wrong, undefined that the kind is not known. */
export function compileDraw(document: unknown, defaultSalt: unknown): Draw | string | undefined {
  if (ownOr(document, 'bucketing', 1) !== 1) return undefined;
  const bucketBy = ownOr(document, 'bucketBy', 'targetingKey');
  const salt = ownOr(document, 'salt', defaultSalt);
  if (typeof bucketBy !== 'string' || typeof salt !== 'string') return 'expected "bucketBy" and "salt" to be text';
  const read = attribute(bucketBy);
  const saltHash = murmur3(salt);
  return (run) => {
    const unit = unitText(read(run));
    if (unit !== undefined) return fmix32(unitHash(run, unit) ^ saltHash) >>> 0;
    run.unitMissing ??= bucketBy;
    return undefined;
  };
}

/** Compiles a gate: true lets in, false keeps out, unknown when the context has no unit. */
export function compileGate(gate: unknown, defaultSalt: unknown): Test {
  if (!isRecord(gate)) return breaks('expected a gate to be an object');
  const draw = compileDraw(gate, defaultSalt);
  if (draw === undefined) return never;
  if (typeof draw === 'string') return breaks(draw);
  const percentage = own(gate, 'percentage');
  if (typeof percentage !== 'number' || !(percentage >= 0 && percentage <= 100))
    return breaks('expected "percentage" of a gate to be from 0 to 100');
  const limit = threshold(percentage);
  return (run) => {
    const bucket = draw(run);
    return bucket === undefined ? undefined : bucket < limit;
  };
}
