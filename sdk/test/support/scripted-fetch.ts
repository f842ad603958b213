import type { Fetch } from '@fledge/sdk';
import { sse } from './fake-service.js';

/** One end of a stream that a test writes to. It knows nothing of the request's signal, like a careless fetch. */
export type ScriptedStream = {
  readonly enqueue: (bytes: Uint8Array) => void;
  readonly event: (type: string, data: unknown) => void;
  readonly close: () => void;
  cancelled: boolean;
};

/** A fetch that answers with what `instead` makes of the request, or with a stream that `begin` may write to. */
export const scriptedFetch = (
  begin: (url: string, stream: ScriptedStream) => void,
  instead: (url: string) => Response | undefined = () => undefined,
): {
  fetch: Fetch;
  streams: ScriptedStream[];
  /** What was asked; what was reported is accepted and told apart. */
  requests: { url: string; headers: Record<string, string> }[];
} => {
  const streams: ScriptedStream[] = [];
  const requests: { url: string; headers: Record<string, string> }[] = [];
  const fetch: Fetch = (url, { method, headers }) => {
    if (method === 'POST') return Promise.resolve(new Response(null, { status: 202 }));
    requests.push({ url, headers });
    const other = instead(url);
    if (other) return Promise.resolve(other);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const stream: ScriptedStream = {
          enqueue: (bytes) => controller.enqueue(bytes),
          event: (type, data) => controller.enqueue(new TextEncoder().encode(sse(type, data))),
          close: () => controller.close(),
          cancelled: false,
        };
        streams.push(stream);
        begin(url, stream);
      },
      cancel: () => {
        const stream = streams.at(-1);
        if (stream) stream.cancelled = true;
      },
    });
    return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }));
  };
  return { fetch, streams, requests };
};
