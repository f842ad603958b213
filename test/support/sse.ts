import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';

/** One server-sent event; `data` is parsed. */
export interface StreamEvent {
  readonly type: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
  /** After how many milliseconds the client is to connect again, if the event says so. */
  readonly retry?: number;
  /** When it was complete here, of `performance.now()`. */
  readonly at: number;
  /** As it came over the wire. */
  readonly bytes: number;
}

/** A client that knows nothing of Fledge: it shows what a stream really says. */
export interface StreamReader {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly events: readonly StreamEvent[];
  /** How many comments came. */
  readonly comments: number;
  /** The answer's text when it was no stream. */
  readonly text: string;
  /** True once the other side has ended or cut it. */
  readonly ended: boolean;
  /** The next event not yet taken, of this type if one is given; rejects when none comes in time. */
  next(type?: string, ms?: number): Promise<StreamEvent>;
  /** Resolves when the stream is over; rejects when it is not in time. */
  end(ms?: number): Promise<void>;
  /** Stops reading: what comes fills the buffers on the way. */
  pause(): void;
  resume(): void;
  close(): void;
}

export type StreamRequest = {
  readonly lastEventId?: string;
  readonly headers?: Record<string, string>;
  readonly path?: string;
};

/** Every stream has a socket of its own, as every process of an application has. */
const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });

/** Opens `GET /sdk/v1/stream` and resolves with the head of its answer; rejects when there is none. */
export async function openStream(url: string, key: string, options: StreamRequest = {}): Promise<StreamReader> {
  const asked = request(`${url}${options.path ?? '/sdk/v1/stream'}`, {
    agent,
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'text/event-stream',
      ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
      ...options.headers,
    },
  });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return follow(response);
}

function follow(response: IncomingMessage): StreamReader {
  const events: StreamEvent[] = [];
  const waiting = new Set<() => void>();
  let taken = 0;
  let comments = 0;
  let text = '';
  let rest = '';
  let ended = false;
  const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;

  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    if (!isStream) {
      text += chunk;
      return;
    }
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      if (block.startsWith(':')) comments += 1;
      else events.push(parse(block));
    }
    for (const look of waiting) look();
  });
  const end = (): void => {
    ended = true;
    for (const look of waiting) look();
  };
  response.on('error', () => undefined);
  response.on('close', end);

  const wait = async (done: () => boolean, ms: number, what: () => string): Promise<void> => {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!done()) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        waiting.delete(look);
        reject(new Error(what()));
      }, ms);
      waiting.add(look);
    });
  };

  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    events,
    get comments() {
      return comments;
    },
    get text() {
      return text;
    },
    get ended() {
      return ended;
    },
    async next(type, ms = 5_000) {
      const find = (): number =>
        events.findIndex((event, index) => index >= taken && (type === undefined || event.type === type));
      await wait(
        () => find() !== -1 || ended,
        ms,
        () =>
          `no event ${type ?? ''} within ${ms} ms; got ${JSON.stringify(events.slice(taken).map((each) => each.type))}`,
      );
      const found = events[find()];
      if (found === undefined) throw new Error(`the stream ended without an event ${type ?? ''}`);
      taken = find() + 1;
      return found;
    },
    end: (ms = 5_000) =>
      wait(
        () => ended,
        ms,
        () => `the stream was still open after ${ms} ms`,
      ),
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    close: () => void response.destroy(),
  };
}

function parse(block: string): StreamEvent {
  const fields = { event: '', id: '', data: '', retry: '' };
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
    if (name === 'event' || name === 'id' || name === 'data' || name === 'retry') fields[name] = value;
  }
  const data = JSON.parse(fields.data === '' ? '{}' : fields.data) as Record<string, unknown>;
  return {
    type: fields.event,
    id: fields.id,
    data,
    ...(fields.retry === '' ? {} : { retry: Number(fields.retry) }),
    at: performance.now(),
    bytes: Buffer.byteLength(block) + 2,
  };
}
