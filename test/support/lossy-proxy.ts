import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { until } from './wait.js';

/** A way to several replicas on which answers to reports get lost: the report arrived, and the sender does not know. */
export interface LossyProxy {
  readonly url: string;
  /** Resolves when so many answers were lost since the start. */
  lost(count: number): Promise<void>;
  loseNothing(): void;
  useOnly(url: string): void;
  stop(): Promise<void>;
}

/** Every other answer to a report is lost, until it is told otherwise. */
export async function lossyProxy(targets: readonly string[]): Promise<LossyProxy> {
  let ways = targets;
  let requests = 0;
  let lost = 0;
  let loses = true;
  const forward = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '', headers } = request;
    const isReport = method === 'POST';
    requests += 1;
    const target = ways[requests % ways.length] ?? '';
    const answer = await fetch(target + url, {
      method,
      headers: {
        authorization: headers.authorization ?? '',
        ...(isReport ? { 'content-type': 'application/json' } : {}),
      },
      ...(isReport ? { body: new Uint8Array(await buffer(request)) } : {}),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    if (isReport && loses && answer.ok && requests % 3 !== 0) {
      lost += 1;
      response.destroy();
      return;
    }
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' }).end(body);
  };
  const server = createServer((request, response) => {
    // The SDK polls when it can have no stream.
    if (request.url?.endsWith('/stream') === true) response.writeHead(404).end();
    else void forward(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lost: (count) => until(() => lost >= count, `${count} answers are lost`, 15_000),
    loseNothing: () => {
      loses = false;
    },
    useOnly: (url) => {
      ways = [url];
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
