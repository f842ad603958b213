import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the receiver got it. */
export type Received = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string };

/** How a receiver answers the n-th request (from 0). */
type Answering = (received: Received, response: ServerResponse, n: number) => void;

/** Somebody else's server: keeps what it is sent. */
export class Receiver {
  readonly received: Received[] = [];
  /** 204 unless a test says otherwise. */
  answer: Answering = (_received, response) => void response.writeHead(204).end();
  #close: () => Promise<void> = () => Promise.resolve();

  private constructor(readonly url: string) {}

  static async start(host = '127.0.0.1'): Promise<Receiver> {
    const server = createServer((request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
        const body = Buffer.concat(chunks).toString('utf8');
        const received = { path: request.url ?? '', headers: request.headers, body };
        receiver.received.push(received);
        receiver.answer(received, response, receiver.received.length - 1);
      })();
    });
    server.listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const receiver = new Receiver(`http://${host}:${port}`);
    receiver.#close = async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    };
    return receiver;
  }

  /** What came as JSON, of one type or all. */
  messages(type?: string): { type: string; timestamp: string; data: Record<string, unknown> }[] {
    const all = this.received.map(({ body }) => JSON.parse(body) as ReturnType<Receiver['messages']>[number]);
    return type === undefined ? all : all.filter((message) => message.type === type);
  }

  stop(): Promise<void> {
    return this.#close();
  }
}
