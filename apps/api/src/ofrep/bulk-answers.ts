import { Injectable } from '@nestjs/common';
import { createFlagList, type Context, type Evaluation, type Evaluator, type FlagList } from '@fledge/evaluation';
import type { EnvironmentView } from '../delivery/environment-view.js';
import { FlagTexts, isSingular, type Text } from './flag-texts.js';
import { Pages } from './pages.js';

/** What all flags of an environment say to one context. */
export type BulkAnswer = {
  /** The same for the same answers on every replica, in 22 characters. */
  readonly hash: string;
  /** The answer as JSON, with `rest` (`"name":value`) beside the flags; to be given back with `release` when it is sent. */
  body(rest: string): Buffer;
};

/** The answers of environments to whole contexts, put together from texts that are written once. */
@Injectable()
export class BulkAnswers {
  readonly #environments = new WeakMap<EnvironmentView, EnvironmentAnswers>();
  readonly #pages = new Pages();

  answer(environment: EnvironmentView, context: Context, now: number): BulkAnswer {
    const answers = this.#environments.get(environment) ?? new EnvironmentAnswers();
    this.#environments.set(environment, answers);
    const { pieces, hash } = answers.answer(environment.evaluator(), context, now);
    return {
      hash,
      body: (rest) => {
        const end = Buffer.from(`],${rest}}`);
        const page = this.#pages.take(pieces.reduce((sum, { length }) => sum + length, HEAD.length + end.length));
        page.set(HEAD);
        let at = HEAD.length;
        for (const piece of pieces) {
          page.set(piece, at);
          at += piece.length;
        }
        // The bracket takes the place of the last comma.
        if (pieces.length > 0) at -= 1;
        page.set(end, at);
        return page.subarray(0, at + end.length);
      },
    };
  }

  /** The memory of a body may be used for others. */
  release(body: Buffer): void {
    this.#pages.give(body);
  }
}

const HEAD = Buffer.from('{"flags":[');

/** The answers of a group as they stand in the list, a comma behind each, and what they add to its hash. */
type Piece = Omit<Text, 'json'> & { readonly bytes: Buffer };

/** So many flags share a piece where each says one of two things: fewer pieces to find and to copy. */
const GROUP = 3;
const COMBINATIONS = 2 ** GROUP;

/**
 * One environment. What takes time is memory, not arithmetic: a thousand answers that lie all over it have to be told apart and found a
 * piece for. So their identities and pieces lie in rows, in order of key, which does not depend on how this replica came by its snapshot.
 */
class EnvironmentAnswers {
  #evaluator: Evaluator | undefined;
  #list: FlagList | undefined;
  #texts: readonly FlagTexts[] = [];
  /** Where the list has each flag, and the two answers of it that were met first. */
  #places: readonly number[] = [];
  #one: (Evaluation | undefined)[] = [];
  #other: (Evaluation | undefined)[] = [];
  /** What each group says, by which of the two each of its flags does. */
  #pieces: (Piece | undefined)[] = [];

  answer(evaluator: Evaluator, context: Context, now: number): { readonly pieces: Buffer[]; readonly hash: string } {
    const list = this.#prepared(evaluator);
    const answers = list.decide(context, now);
    const hash = new Int32Array(4);
    const pieces: Buffer[] = [];
    for (let from = 0; from < this.#places.length; from += GROUP) {
      const { bytes, a, b, c, d } = this.#pieceOf(from, answers);
      pieces.push(bytes);
      hash[0] = (hash[0] ?? 0) + a;
      hash[1] = (hash[1] ?? 0) + b;
      hash[2] = (hash[2] ?? 0) + c;
      hash[3] = (hash[3] ?? 0) + d;
    }
    return { pieces, hash: Buffer.from(hash.buffer).toString('base64url') };
  }

  #pieceOf(from: number, answers: readonly Evaluation[]): Piece {
    const end = Math.min(from + GROUP, this.#places.length);
    let combination = 0;
    for (let at = from; at < end; at += 1) {
      const answer = answers[this.#places[at] ?? 0];
      if (answer === this.#one[at]) combination *= 2;
      else if (answer === this.#other[at]) combination = combination * 2 + 1;
      else return this.#rare(from, end, answers);
    }
    const place = (from / GROUP) * COMBINATIONS + combination;
    return (this.#pieces[place] ??= this.#join(from, end, answers));
  }

  #rare(from: number, end: number, answers: readonly Evaluation[]): Piece {
    for (let at = from; at < end; at += 1) {
      const answer = answers[this.#places[at] ?? 0];
      if (answer === undefined || isSingular(answer) || answer === this.#one[at]) continue;
      if (this.#one[at] === undefined) this.#one[at] = answer;
      else this.#other[at] ??= answer;
    }
    return this.#join(from, end, answers);
  }

  #join(from: number, end: number, answers: readonly Evaluation[]): Piece {
    const texts = this.#texts.slice(from, end).flatMap((flag, index) => {
      const answer = answers[this.#places[from + index] ?? 0];
      return answer === undefined ? [] : [flag.of(answer)];
    });
    const sum = (of: 'a' | 'b' | 'c' | 'd'): number => texts.reduce((total, text) => (total + text[of]) | 0, 0);
    const bytes = Buffer.from(texts.map(({ json }) => `${json},`).join(''));
    return { bytes, a: sum('a'), b: sum('b'), c: sum('c'), d: sum('d') };
  }

  #prepared(evaluator: Evaluator): FlagList {
    if (evaluator === this.#evaluator && this.#list !== undefined) return this.#list;
    const known = new Map(
      this.#list === undefined ? [] : this.#places.map((at, index) => [this.#list?.keys[at], this.#texts[index]]),
    );
    const list = createFlagList(evaluator);
    const { keys } = list;
    this.#places = keys.map((_, place) => place).toSorted((a, b) => ((keys[a] ?? '') < (keys[b] ?? '') ? -1 : 1));
    this.#texts = this.#places.map((place) => known.get(keys[place]) ?? new FlagTexts(keys[place] ?? ''));
    this.#one = keys.map(() => undefined);
    this.#other = keys.map(() => undefined);
    this.#pieces = Array.from({ length: Math.ceil(keys.length / GROUP) * COMBINATIONS });
    this.#evaluator = evaluator;
    this.#list = list;
    return list;
  }
}
