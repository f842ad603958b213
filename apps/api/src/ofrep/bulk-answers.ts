import { hash as digest } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Context, Evaluation, Evaluator } from '@fledge/evaluation';
import type { LiveEnvironment } from '../delivery/live-environment.js';
import { toEvaluated } from './evaluated.js';

/** What all flags of an environment say to one context. */
export type BulkAnswer = {
  /** The same for the same answers on every replica, in 22 characters. */
  readonly hash: string;
  /** The answer as JSON, with `rest` (`"name":value` or nothing) beside the flags. */
  body(rest: string): Buffer;
};

/** The answers of environments to whole contexts, put together from pieces that are written once. */
@Injectable()
export class BulkAnswers {
  readonly #environments = new WeakMap<LiveEnvironment, EnvironmentPieces>();

  answer(environment: LiveEnvironment, context: Context, now: number): BulkAnswer {
    const pieces = this.#environments.get(environment) ?? new EnvironmentPieces();
    this.#environments.set(environment, pieces);
    return pieces.answer(environment.evaluator(), context, now);
  }
}

/** One flag's answer as it stands in the list, with a comma behind it, and the 8 bytes it gives to the hash of the whole. */
type Piece = { readonly bytes: Buffer; readonly hash: Uint32Array };

const HEAD = Buffer.from('{"flags":[');

class EnvironmentPieces {
  #evaluator: Evaluator | undefined;
  #flags: readonly FlagPieces[] = [];
  #hashes = new Uint32Array(0);

  answer(evaluator: Evaluator, context: Context, now: number): BulkAnswer {
    if (evaluator !== this.#evaluator) this.#prepare(evaluator);
    const pieces: Buffer[] = [HEAD];
    let length = HEAD.length;
    let at = 0;
    for (const flag of this.#flags) {
      const piece = flag.piece(evaluator.evaluate(flag.key, context, now));
      pieces.push(piece.bytes);
      length += piece.bytes.length;
      this.#hashes[at++] = piece.hash[0] ?? 0;
      this.#hashes[at++] = piece.hash[1] ?? 0;
    }
    return {
      hash: digest('sha256', this.#hashes, 'base64url').slice(0, 22),
      body: (rest) => join(pieces, length, rest),
    };
  }

  /** In an order that does not depend on how this replica came by the snapshot. */
  #prepare(evaluator: Evaluator): void {
    const known = new Map(this.#flags.map((flag) => [flag.key, flag]));
    const keys = Object.keys(evaluator.snapshot.flags).toSorted();
    this.#flags = keys.map((key) => known.get(key) ?? new FlagPieces(key));
    this.#hashes = new Uint32Array(2 * keys.length);
    this.#evaluator = evaluator;
  }
}

function join(pieces: readonly Buffer[], length: number, rest: string): Buffer {
  const tail = Buffer.from(rest === '' ? ']}' : `],${rest}}`);
  // The tail's bracket takes the place of the last comma.
  const end = pieces.length === 1 ? length : length - 1;
  const body = Buffer.allocUnsafe(end + tail.length + 1);
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  body.set(tail, end);
  return body.subarray(0, end + tail.length);
}

/** A flag has few answers; so many mean that its document has changed often. */
const MOST_PIECES = 64;
const MOST_MET = 4;

/** The answers of one flag, each written once, however many contexts get it. */
class FlagPieces {
  readonly key: string;
  /** The answers met last and their pieces, by position. Answers are shared, so their identity tells them apart. */
  readonly #met: Evaluation[] = [];
  readonly #piecesMet: Piece[] = [];
  readonly #byText = new Map<string, Piece>();
  #next = 0;

  constructor(key: string) {
    this.key = key;
  }

  piece(evaluation: Evaluation): Piece {
    return this.#piecesMet[this.#met.indexOf(evaluation)] ?? this.#remember(evaluation);
  }

  #remember(evaluation: Evaluation): Piece {
    const piece = this.#write(evaluation);
    const { unitMissing, prerequisiteFailed } = evaluation.metadata;
    // Those are made anew for every context and never met again.
    if (unitMissing !== undefined || prerequisiteFailed !== undefined) return piece;
    this.#met[this.#next] = evaluation;
    this.#piecesMet[this.#next] = piece;
    this.#next = (this.#next + 1) % MOST_MET;
    return piece;
  }

  /** Without the version, or every change of any flag would change every answer. */
  #write(evaluation: Evaluation): Piece {
    const { version: _, ...metadata } = evaluation.metadata;
    const text = JSON.stringify(toEvaluated(this.key, evaluation, metadata));
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const piece = { bytes: Buffer.from(`${text},`), hash: new Uint32Array(2) };
    new Uint8Array(piece.hash.buffer).set(digest('sha256', text, 'buffer').subarray(0, 8));
    if (this.#byText.size >= MOST_PIECES) this.#byText.clear();
    this.#byText.set(text, piece);
    return piece;
  }
}
