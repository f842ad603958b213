import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** How long a request may still take once the server is closing. */
const GRACE_MS = 10_000;

/**
 * Lets a closing server wait for requests under way, for a while, and for nobody else. Node takes a connection that was opened ahead
 * and never used for a busy one, and would wait for it until its headers are overdue.
 */
export function endConnectionsOnClose(instance: FastifyInstance): void {
  const unused = new Set<Socket>();
  instance.server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  instance.server.on('request', ({ socket }) => unused.delete(socket));
  instance.addHook('preClose', (done) => {
    for (const socket of unused) socket.destroy();
    setTimeout(() => instance.server.closeAllConnections(), GRACE_MS).unref();
    done();
  });
}
