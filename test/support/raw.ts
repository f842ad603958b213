import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection on which bytes are sent that no client library would send. */
export interface RawConnection {
  readonly socket: Socket;
  /** What came back so far. */
  readonly answer: () => string;
  /** Resolves with all that came back once the other side has closed. */
  readonly closed: () => Promise<string>;
}

export async function connectRaw(url: string): Promise<RawConnection> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => (received += String(chunk)));
  const end = once(socket, 'close');
  await once(socket, 'connect');
  return { socket, answer: () => received, closed: () => end.then(() => received) };
}

/** Sends the bytes and answers what came back until the other side closed. */
export async function speak(url: string, bytes: string | Buffer): Promise<string> {
  const { socket, closed } = await connectRaw(url);
  socket.write(bytes);
  return closed();
}
