import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Snapshot } from '@fledge/evaluation';
import { serialize, sseEvent } from './serialize.js';

export type Coding = 'identity' | 'gzip' | 'br';

const SUFFIX = { identity: '', gzip: '-gz', br: '-br' } as const;

const COMPRESS = {
  gzip: promisify(gzip),
  br: (body: Buffer) =>
    promisify(brotliCompress)(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    }),
} as const;

/** One version of a snapshot, serialised once, and compressed at most once per coding off the event loop's thread. */
export class EncodedSnapshot {
  readonly revision: string;
  readonly #snapshot: Snapshot;
  readonly #codings = new Map<Coding, Promise<Buffer>>();
  readonly #made = new Map<Coding, Buffer>();
  #put: Promise<Buffer> | undefined;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.revision = snapshot.revision ?? String(snapshot.version);
  }

  /** The body as it goes over the wire. */
  body(coding: Coding): Promise<Buffer> {
    const made = this.#codings.get(coding) ?? this.#encode(coding);
    this.#codings.set(coding, made);
    return made;
  }

  /** The same if it is made already. */
  made(coding: Coding): Buffer | undefined {
    return this.#made.get(coding);
  }

  /** The strong tag of exactly the bytes of this coding. */
  etag(coding: Coding): string {
    return `"${this.revision}${SUFFIX[coding]}"`;
  }

  /** The event that begins a stream. */
  put(): Promise<Buffer> {
    this.#put ??= this.body('identity').then((body) => sseEvent('put', this.revision, body));
    return this.#put;
  }

  async #encode(coding: Coding): Promise<Buffer> {
    const made = coding === 'identity' ? serialize(this.#snapshot) : COMPRESS[coding](await this.body('identity'));
    this.#made.set(coding, await made);
    return made;
  }
}
