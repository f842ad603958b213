import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { EmbeddedPostgresError } from './errors.js';

// Below the ephemeral ports of every system: there a client's own outgoing connection could take the port while
// PostgreSQL restarts, even a reconnecting pool's connection to itself.
const LOWEST = 20_000;
const HIGHEST = 30_000;
const ATTEMPTS = 100;

/** The remembered port when it is still free, else a random free one between 20000 and 30000 on 127.0.0.1. */
export async function choosePort(remembered: number | undefined): Promise<number> {
  if (remembered !== undefined && (await isFree(remembered))) return remembered;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
  throw new EmbeddedPostgresError(
    'failed',
    `None of ${ATTEMPTS} ports tried between ${LOWEST} and ${HIGHEST} on 127.0.0.1 is free. Stop what occupies them.`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
