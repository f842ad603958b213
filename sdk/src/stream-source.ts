import { FledgeError } from './error.js';
import { eventParser } from './event-parser.js';
import { field } from './json.js';
import { poll, pollInterval } from './polling-source.js';
import { ask, backoff, SILENCE_MS, type Service } from './service.js';
import type { Sink, Source } from './source.js';
import { sleep } from './timer.js';

/** The first event is sent at once: a proxy that holds it back this long will not do for streams. */
const FIRST_EVENT_MS = 10_000;
/** A connection that stood this long ends the backoff; one that is cut at once does not, or it would be made again and again. */
const STEADY_MS = 1_000;
const MOST_POLLS = 10;

/**
 * Holds one stream open and connects again when it ends. While no stream can be had it polls instead: once, then twice,
 * four times and up to ten times before each further try. There is one loop, so streams and polls never run at once.
 */
export const streamSource =
  (service: Service): Source =>
  async (sink, signal) => {
    let failures = 0;
    let polls = 0;
    /** False: the next stream asks for everything, because something did not fit what is held. */
    let resume = true;
    while (!signal.aborted) {
      const opened = service.now();
      const ending = await openStream(service, sink, signal, resume ? sink.revision() : undefined);
      let { trouble } = ending;
      resume = ending.fits || !resume;
      if (ending.heard) {
        polls = 0;
        // A clock that was set meanwhile, forward or back, is no reason to think that it was cut at once.
        if (Math.abs(service.now() - opened) >= STEADY_MS) failures = 0;
      } else if (trouble && trouble.kind !== 'refused') {
        polls = Math.min(polls * 2 || 1, MOST_POLLS);
        // A service that answered can be polled at once; one that is away is left in peace for a while.
        let pause = trouble.kind === 'network' ? backoff(service, failures++, trouble) : trouble.retryAfterMs;
        for (let i = 0; i < polls && !signal.aborted; i++) {
          await sleep(pause, signal);
          trouble = await poll(service, sink, signal);
          if (trouble) {
            // All of the service is away, not its streams alone: they are what it is asked for first when it is back.
            polls = 0;
            break;
          }
          failures = 0;
          pause = pollInterval(service);
        }
      }
      await sleep(backoff(service, failures++, trouble), signal);
    }
  };

/** How a stream ended: whether any event was understood, whether all of them fitted what is held, and what broke it. */
type Ending = { heard: boolean; fits: boolean; trouble?: FledgeError | undefined };

/** Opens one stream and resolves when it is over; the sink was told of the trouble. */
const openStream = async (
  service: Service,
  sink: Sink,
  signal: AbortSignal,
  revision: string | undefined,
): Promise<Ending> => {
  const ending: Ending = { heard: false, fits: true };
  const headers = { Accept: 'text/event-stream', ...(revision !== undefined && { 'Last-Event-ID': revision }) };
  ending.trouble = await ask(
    service,
    sink,
    signal,
    'stream',
    headers,
    FIRST_EVENT_MS,
    async ({ body }, inner, alive) => {
      const reader = body?.getReader();
      inner.addEventListener('abort', () => void reader?.cancel().catch(() => undefined));
      const decoder = new TextDecoder();
      const feed = eventParser((type, data) => {
        if (ending.fits && !inner.aborted) takeEvent(sink, ending, type, data);
      });
      for (let more = true; more && ending.fits;) {
        const piece = await reader?.read();
        more = piece?.value !== undefined;
        feed(decoder.decode(piece?.value, { stream: more }));
        alive(ending.heard ? SILENCE_MS : FIRST_EVENT_MS);
      }
      if (!ending.heard && ending.fits) throw new FledgeError('protocol', 'The stream ended before its first event');
    },
  );
  return ending;
};

/** Hands one event on. Events of unknown types are passed over; one that cannot be understood ends the stream. */
const takeEvent = (sink: Sink, ending: Ending, type: string, data: string): void => {
  if (type !== 'put' && type !== 'patch' && type !== 'current') return;
  ending.fits = false;
  try {
    const document: unknown = JSON.parse(data);
    if (type === 'put') sink.put(field(document, 'snapshot') ?? document);
    ending.fits =
      type === 'put' ||
      (type === 'patch'
        ? sink.patch(field(document, 'change') ?? document)
        : sink.current(field(document, 'revision')));
  } catch (cause) {
    throw FledgeError.from(cause, 'protocol', `Got a broken ${type}`);
  }
  ending.heard = true;
};
