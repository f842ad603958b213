import { threshold } from './bucket.js';
import type { Split } from './flag.js';
import { fmix32, murmur3 } from './murmur3.js';
import { place } from './sequence.js';
import type { Sequence, Served, Stage } from './sequence.js';
import { winner } from './split.js';

/** Nothing decides; what is decided is the index of what is served, from 0 on. */
const OPEN = -1;
/** Nobody has looked yet. */
const UNSEEN = -2;
/** So much of a kind is kept: enough for the rules of two flags, and some more. */
const MOST_KEPT = 256;

type Outcome = (unit: number) => number;

/** Units to which the same happens: of which group each is, and of each group one unit and how many there are. */
type Groups = { readonly of: Int32Array; readonly first: Int32Array; readonly units: Int32Array };

/** Parts the groups by what a stage does with their units, of which there are `width` kinds and nothing. */
function refined({ of, first, units }: Groups, outcomes: Int16Array, width: number): Groups {
  if (first.length === of.length) return { of, first, units };
  const numbers = new Int32Array(first.length * (width + 1)).fill(OPEN);
  const parts = new Int32Array(of.length);
  const [firstOf, unitsOf]: [number[], number[]] = [[], []];
  for (let unit = 0; unit < of.length; unit++) {
    const kind = (of[unit] ?? 0) * (width + 1) + (outcomes[unit] ?? OPEN) + 1;
    let part = numbers[kind] ?? OPEN;
    if (part === OPEN) {
      part = firstOf.push(unit) - 1;
      numbers[kind] = part;
      unitsOf.push(0);
    }
    parts[unit] = part;
    unitsOf[part] = (unitsOf[part] ?? 0) + 1;
  }
  if (firstOf.length > MOST_GROUPS) {
    const each = Int32Array.from(of.keys());
    return { of: each, first: each, units: new Int32Array(of.length).fill(1) };
  }
  return { of: parts, first: Int32Array.from(firstOf), units: Int32Array.from(unitsOf) };
}

/** What a unit gets from the first stage that decides; the last one does. */
function decided(stages: readonly Int16Array[], unit: number): number {
  for (const outcomes of stages) {
    const outcome = outcomes[unit] ?? OPEN;
    if (outcome !== OPEN) return outcome;
  }
  return OPEN;
}

/** Remembers what was made under a name. */
class Memory<T> {
  readonly #kept = new Map<string, T>();

  get(name: string, make: () => T): T {
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    const made = make();
    this.#kept.set(name, made);
    return made;
  }
}

/** So many groups of units are worth telling apart; where there are more, nearly every unit goes its own way. */
const MOST_GROUPS = 8_192;

/**
 * Synthetic units: `sample-0` … for the targeting key, and as many others for every other attribute. A stage is tried once on
 * all of them, and units to which the same happens in all stages tried so far are counted together.
 */
export class Sample {
  readonly size: number;
  readonly #served: Served[] = [];
  readonly #indices = new Map<Served, number>();
  readonly #names = new Map<Stage, string>();
  readonly #texts = new Map<string, string>();
  readonly #hashes = new Memory<Int32Array>();
  readonly #splits = new Memory<Outcome>();
  readonly #tried = new Memory<Int16Array>();
  #groups: Groups;

  constructor(size: number) {
    this.size = size;
    this.#groups = { of: new Int32Array(size), first: Int32Array.of(0), units: Int32Array.of(size) };
  }

  /** The number that stands for what is served. */
  indexOf(served: Served): number {
    const index = this.#indices.get(served) ?? this.#served.push(served) - 1;
    this.#indices.set(served, index);
    return index;
  }

  /** The same text for sequences of the same stages. */
  nameOf({ salt, off, stages }: Sequence): string {
    return JSON.stringify([salt, off, stages.map((stage) => this.#nameOf(stage))]);
  }

  /** How many units get what from the one sequence and what from the other, as `count` is told. */
  compare(before: Sequence, after: Sequence, count: (from: Served, to: Served, units: number) => void): void {
    const [from, to] = [this.#outcomesOf(before), this.#outcomesOf(after)];
    const { first, units } = this.#groups;
    const width = this.#served.length;
    const counts = new Int32Array(width * width);
    for (let group = 0; group < first.length; group++) {
      const unit = first[group] ?? 0;
      const cell = decided(from, unit) * width + decided(to, unit);
      counts[cell] = (counts[cell] ?? 0) + (units[group] ?? 0);
    }
    for (const [cell, many] of counts.entries())
      if (many > 0) count(this.#served[Math.floor(cell / width)] ?? null, this.#served[cell % width] ?? null, many);
  }

  #outcomesOf({ salt, stages }: Sequence): readonly Int16Array[] {
    const last: Stage = { gate: undefined, serve: null };
    return [...stages, last].map((stage) =>
      this.#tried.get(`${this.#nameOf(stage)} ${salt}`, () => {
        const outcomes = this.#try(stage, salt);
        this.#groups = refined(this.#groups, outcomes, this.#served.length);
        return outcomes;
      }),
    );
  }

  /** Stages are told apart by what they say, which is written down once for each. */
  #nameOf(stage: Stage): string {
    const known = this.#names.get(stage);
    if (known !== undefined) return known;
    const text = JSON.stringify(stage);
    const name = this.#texts.get(text) ?? String(this.#texts.size);
    this.#texts.set(text, name);
    this.#names.set(stage, name);
    return name;
  }

  #try({ gate, serve }: Stage, salt: string): Int16Array {
    const results = new Int16Array(this.size);
    const inside = serve !== null && 'split' in serve ? this.#splitOf(serve, salt) : this.#constant(serve?.variant);
    if (gate === undefined) {
      for (let unit = 0; unit < results.length; unit++) results[unit] = inside(unit);
      return results;
    }
    const outside = gate.otherwise === undefined ? OPEN : this.indexOf(gate.otherwise);
    const at = place(gate, salt);
    const [hashes, saltHash, limit] = [this.#hashesOf(at.attribute), murmur3(at.salt) | 0, threshold(gate.percentage)];
    for (let unit = 0; unit < results.length; unit++)
      results[unit] = fmix32((hashes[unit] ?? 0) ^ saltHash) >>> 0 < limit ? inside(unit) : outside;
    return results;
  }

  #constant(variant: string | undefined): Outcome {
    const index = this.indexOf(variant ?? null);
    return () => index;
  }

  #splitOf(split: Split, defaultSalt: string): Outcome {
    const { attribute, salt } = place(split, defaultSalt);
    const shares = split.split
      .filter(({ weight }) => weight > 0)
      .sort((a, b) => (a.variant < b.variant ? -1 : 1))
      .map(({ variant, weight }) => ({ weight, hash: murmur3(variant) | 0, index: this.indexOf(variant) }));
    return this.#splits.get(JSON.stringify([attribute, salt, shares]), () => {
      const [hashes, saltHash] = [this.#hashesOf(attribute), murmur3(salt) | 0];
      const won = new Int16Array(this.size).fill(UNSEEN);
      return (unit) => {
        const known = won[unit] ?? OPEN;
        if (known !== UNSEEN) return known;
        return (won[unit] = shares[winner(fmix32((hashes[unit] ?? 0) ^ saltHash), shares)]?.index ?? OPEN);
      };
    });
  }

  #hashesOf(attribute: string): Int32Array {
    return this.#hashes.get(attribute, () => {
      const prefix = attribute === 'targetingKey' ? 'sample-' : `${attribute}:sample-`;
      return Int32Array.from({ length: this.size }, (_, index) => murmur3(`${prefix}${index}`));
    });
  }
}
