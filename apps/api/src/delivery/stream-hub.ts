import type { ServerResponse } from 'node:http';
import type { Position } from '@fledge/store';
import type { StreamLimits } from '../config.js';
import type { Logger } from '../log.js';
import type { PreparedChange } from './recent-changes.js';
import type { EnvironmentEvent, SnapshotCache } from './snapshot-cache.js';

/** What the streams of one protocol say. How they are kept, counted, caught up and ended is the same for all. */
export type StreamProtocol = {
  /** The event for changes that were made just now, one buffer for all streams that see all of the environment. */
  changed(changes: readonly PreparedChange[]): Buffer;
  /** What leads a reader on from a revision (`''`: it holds nothing), and where to; undefined when it holds the newest after all. */
  catchUp(
    environmentId: number,
    revision: string,
    tags: readonly string[] | null,
  ): Promise<{ event: Buffer; revision: string } | undefined>;
  /** What is said first to a reader that is up to date from the start. */
  upToDate(position: Position): Buffer;
};

/** Who wants to listen: to which environment, with which key, and from where on. */
export type Listener = {
  readonly protocol: StreamProtocol;
  readonly environmentId: number;
  readonly tokenId: string;
  /** What the key sees of the environment; null: all. */
  readonly tags: readonly string[] | null;
  readonly lastEventId: string | undefined;
  /** Of the answer, beside those that make it an event stream. */
  readonly headers: Readonly<Record<string, string>>;
};

/** A client that listens. `revision` is the newest it was sent; while `blockedSince` (of `performance.now()`) is set it has not read what it was sent. */
type Stream = {
  readonly response: ServerResponse;
  readonly protocol: StreamProtocol;
  readonly environmentId: number;
  readonly tokenId: string;
  readonly tags: readonly string[] | null;
  revision: string;
  blockedSince: number | undefined;
  /** Catching up with what it missed; other events wait until that is done. */
  catchingUp: boolean;
};

const HEARTBEAT = Buffer.from(':\n\n');
/** Well under the 20 s that are promised, so that a busy moment does not break the promise. */
const HEARTBEAT_MS = 15_000;
/** A reader that has not read for so long is not coming back. */
const BLOCKED_MS = 60_000;
/** How long an ended stream may take to deliver its last bytes. */
const GRACE_MS = 2_000;
/** The revision of a client that holds nothing. */
const NOTHING = '';

/**
 * The open streams of this process. An event is one buffer for all of them. A reader that does not keep up is sent nothing more
 * until it has read what it has, then what it missed as one; so what waits for it never grows beyond one event.
 */
export class StreamHub {
  readonly #snapshots: SnapshotCache;
  readonly #limits: StreamLimits;
  readonly #log: Logger;
  readonly #byEnvironment = new Map<number, Set<Stream>>();
  readonly #byToken = new Map<string, Set<Stream>>();
  readonly #heartbeat: NodeJS.Timeout;
  #size = 0;
  #draining = false;

  constructor(snapshots: SnapshotCache, limits: StreamLimits, log: Logger) {
    this.#snapshots = snapshots;
    this.#limits = limits;
    this.#log = log;
    snapshots.onEvent((environmentId, event) => this.#broadcast(environmentId, event));
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
  }

  get size(): number {
    return this.#size;
  }

  /** Why another stream of this token cannot be had; undefined when it can. */
  refusal(tokenId: string): string | undefined {
    if (this.#draining) return 'This replica is shutting down; another one answers.';
    if (this.#size >= this.#limits.perProcess) return `The limit streamsPerProcess is ${this.#limits.perProcess}.`;
    if ((this.#byToken.get(tokenId)?.size ?? 0) >= this.#limits.perKey)
      return `The limit streamsPerKey is ${this.#limits.perKey}.`;
    return undefined;
  }

  isListenedTo(environmentId: number): boolean {
    return this.#byEnvironment.has(environmentId);
  }

  /** The tokens with open streams. */
  tokens(): string[] {
    return [...this.#byToken.keys()];
  }

  /** Begins a stream with what the client needs to be up to date, and keeps it so until either side ends it. */
  async open(response: ServerResponse, listener: Listener): Promise<void> {
    // Who left while the key was looked up will not be heard leaving again.
    if (response.destroyed) return;
    const { protocol, environmentId, tokenId, tags, lastEventId, headers } = listener;
    const stream: Stream = {
      response,
      protocol,
      environmentId,
      tokenId,
      tags,
      revision: lastEventId ?? NOTHING,
      blockedSince: undefined,
      catchingUp: false,
    };
    this.#add(stream);
    response.once('close', () => this.#remove(stream));
    response.on('drain', () => {
      stream.blockedSince = undefined;
      void this.#catchUp(stream);
    });
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      ...headers,
    });
    await this.#catchUp(stream);
    // Who was up to date from the start has been sent nothing yet, and waits for a first event.
    const position = (await this.#snapshots.environment(environmentId))?.seenBy(tags).position;
    if (stream.revision === lastEventId && position?.revision === lastEventId)
      this.#send(stream, protocol.upToDate(position), lastEventId);
  }

  /** Ends the streams of tokens that may no longer listen. */
  end(tokenIds: Iterable<string>): void {
    for (const tokenId of tokenIds) for (const stream of this.#byToken.get(tokenId) ?? []) finish(stream);
  }

  /** Tells every client to connect elsewhere, spread over a second, and ends the streams. */
  drain(): void {
    this.#draining = true;
    clearInterval(this.#heartbeat);
    for (const streams of this.#byEnvironment.values()) {
      for (const stream of streams) {
        // One that ends already has said what it had to say.
        if (!isOpen(stream)) continue;
        const { response } = stream;
        setTimeout(() => response.destroy(), GRACE_MS).unref();
        response.end(`retry: ${Math.round(Math.random() * 1_000)}\nevent: reconnect\ndata: {}\n\n`);
      }
    }
  }

  #broadcast(environmentId: number, event: EnvironmentEvent): void {
    const streams = [...(this.#byEnvironment.get(environmentId) ?? [])];
    if (event.kind === 'gone') for (const stream of streams) finish(stream);
    if (event.kind === 'reset') for (const stream of streams) void this.#catchUp(stream);
    const last = event.kind === 'changes' ? event.changes.at(-1) : undefined;
    if (event.kind !== 'changes' || last === undefined) return;
    const said = new Map<StreamProtocol, Buffer>();
    // Begins somewhere else each time: with thousands of streams the last one waits for long, and shall not always be the same.
    for (const stream of rotated(streams, Math.floor(Math.random() * streams.length))) {
      if (stream.catchingUp || stream.blockedSince !== undefined) continue;
      if (stream.tags !== null) {
        void this.#catchUp(stream);
        continue;
      }
      const buffer = said.get(stream.protocol) ?? stream.protocol.changed(event.changes);
      said.set(stream.protocol, buffer);
      this.#send(stream, buffer, last.revision);
    }
  }

  /** Brings a stream from the revision it has to the newest. Until it is there, broadcasts pass it by: it finds them here. */
  async #catchUp(stream: Stream): Promise<void> {
    if (stream.catchingUp || stream.blockedSince !== undefined) return;
    stream.catchingUp = true;
    try {
      while (stream.blockedSince === undefined && isOpen(stream)) {
        const environment = await this.#snapshots.environment(stream.environmentId);
        if (environment === undefined) return finish(stream);
        // Nothing is awaited between this look and the end of catching up, so no broadcast falls between.
        if (stream.revision === environment.seenBy(stream.tags).position.revision) return;
        const next = await stream.protocol.catchUp(stream.environmentId, stream.revision, stream.tags);
        if (next !== undefined) this.#send(stream, next.event, next.revision);
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'a stream could not be brought up to date and was ended');
      stream.response.destroy();
    } finally {
      stream.catchingUp = false;
    }
  }

  #send(stream: Stream, event: Buffer, revision: string): void {
    if (!isOpen(stream)) return;
    stream.revision = revision;
    if (!stream.response.write(event)) stream.blockedSince = performance.now();
  }

  #beat(): void {
    const longAgo = performance.now() - BLOCKED_MS;
    for (const streams of this.#byEnvironment.values()) {
      for (const stream of streams) {
        if (stream.blockedSince === undefined) {
          if (isOpen(stream) && !stream.response.write(HEARTBEAT)) stream.blockedSince = performance.now();
        } else if (stream.blockedSince < longAgo) stream.response.destroy();
      }
    }
  }

  #add(stream: Stream): void {
    this.#size += 1;
    put(this.#byEnvironment, stream.environmentId, stream);
    put(this.#byToken, stream.tokenId, stream);
  }

  #remove(stream: Stream): void {
    this.#size -= 1;
    take(this.#byEnvironment, stream.environmentId, stream);
    take(this.#byToken, stream.tokenId, stream);
  }
}

/** Ended ones stay listed until their last bytes are gone; writing to them would be a fault. */
const isOpen = ({ response }: Stream): boolean => !response.writableEnded && !response.destroyed;

/** Ends a stream, and does not wait for a reader that does not read. */
function finish({ response }: Stream): void {
  response.end();
  setTimeout(() => response.destroy(), GRACE_MS).unref();
}

const rotated = <T>(list: readonly T[], from: number): T[] => [...list.slice(from), ...list.slice(0, from)];

function put<K>(map: Map<K, Set<Stream>>, key: K, stream: Stream): void {
  const set = map.get(key) ?? new Set();
  map.set(key, set.add(stream));
}

function take<K>(map: Map<K, Set<Stream>>, key: K, stream: Stream): void {
  const set = map.get(key);
  set?.delete(stream);
  if (set?.size === 0) map.delete(key);
}
