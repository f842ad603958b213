import { answerOf, broken, failure, inArm } from './answer.js';
import { TARGETING_KEY, read } from './attribute.js';
import { unitText } from './bucket.js';
import type { Choice } from './choice.js';
import type { Context } from './context.js';
import type { Evaluation } from './evaluation.js';
import { memoryOf } from './evaluator.js';
import type { Evaluator } from './evaluator.js';
import { isRecord, own } from './json.js';
import type { JsonRecord } from './json.js';
import { createMachine } from './machine.js';
import { fmix32 } from './murmur3.js';
import type { Fork } from './rule.js';
import { resolve, unitHash } from './run.js';
import type { Now, Part } from './run.js';

/** All flags of a snapshot, decided together. */
export type FlagList = {
  /** In the order of the snapshot. */
  readonly keys: readonly string[];
  /**
   * What each of `keys` answers, in that order and at one time, without the version in its metadata: the identical object as long as
   * the flag's document is, unless it says something of this context alone. Never throws.
   */
  decide(context: Context, now: Now): readonly Evaluation[];
};

const answers = /* @__PURE__ */ new WeakMap<Choice, Evaluation>();

/** The choice's answer without a version, made once. */
function plain(choice: Choice): Evaluation {
  const made = answers.get(choice) ?? answerOf(choice);
  answers.set(choice, made);
  return made;
}

/** What a part answers in every context; undefined when that depends, or says something of the unit. */
const constant = (part: Part<Choice>): Evaluation | undefined =>
  typeof part === 'function' || part.arms !== undefined ? undefined : plain(part);

/** The part as a fork, if it is one. */
const forkOf = (part: Part<Choice> & Partial<Fork>): Fork | undefined => {
  const { gate, inside, outside } = part;
  return gate && inside && outside && { gate, inside, outside };
};

/**
 * The flags of the evaluator's snapshot as a list, compiled once for both. Most flags say the same to everybody, or look at one gate:
 * those become rows of numbers that lie beside each other, since what takes long about a thousand flags is fetching them from memory.
 */
export function createFlagList(evaluator: Evaluator): FlagList {
  const { snapshot } = evaluator;
  const { run, findFlag, begin } = createMachine(snapshot, memoryOf(evaluator));
  /** In the place of what is still to be decided. */
  const undecided = failure('PARSE_ERROR', 'not decided', {});
  const flags = Object.entries(own(snapshot, 'flags') ?? {}).flatMap(([key, document]) => {
    const node = findFlag(key);
    return node === undefined ? [] : [{ key, document, part: node.part, fork: forkOf(node.part) }];
  });
  const known = flags.map(({ part }) => constant(part) ?? undecided);
  const gates = flags.flatMap(({ fork }, at) => {
    if (fork === undefined || fork.gate.bucketBy !== TARGETING_KEY) return [];
    const [inside, outside] = [constant(fork.inside), constant(fork.outside)];
    return inside === undefined || outside === undefined ? [] : [{ at, inside, outside, gate: fork.gate }];
  });
  const places = gates.map(({ at }) => at);
  const isGate = new Set(places);
  const others = [...flags.keys()].filter((at) => known[at] === undecided && !isGate.has(at));
  const salts = Int32Array.from(gates, ({ gate }) => gate.saltHash);
  const limits = Float64Array.from(gates, ({ gate }) => gate.limit);
  const inside = gates.map((gate) => gate.inside);
  const outside = gates.map((gate) => gate.outside);

  const decideOne = (at: number, context: JsonRecord): Evaluation => {
    const flag = flags[at];
    if (flag === undefined) return undecided;
    begin(run.now);
    try {
      const chosen = inArm(resolve(flag.part, context, run), context, run);
      return run.extra === undefined ? plain(chosen) : answerOf(chosen, run.extra);
    } catch (problem) {
      return broken(flag.document, problem, run.extra);
    }
  };

  return {
    keys: flags.map(({ key }) => key),
    decide(context, now) {
      begin(now);
      const attributes: JsonRecord = isRecord(context) ? context : {};
      const decided = [...known];
      const unit = unitText(read(TARGETING_KEY, attributes, run));
      if (unit === undefined) for (const at of places) decided[at] = decideOne(at, attributes);
      else {
        const hash = unitHash(run, unit);
        for (let row = 0; row < places.length; row++) {
          const isIn = fmix32(hash ^ (salts[row] ?? 0)) >>> 0 < (limits[row] ?? 0);
          decided[places[row] ?? 0] = (isIn ? inside[row] : outside[row]) ?? undecided;
        }
      }
      for (const at of others) decided[at] = decideOne(at, attributes);
      return decided;
    },
  };
}
