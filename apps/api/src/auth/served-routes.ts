import type { INestApplication } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { DeclaredAccess } from './declared-access.js';

/** What is served past the controllers, and asks nobody for a token: the API's description, and preflights, which carry none. */
const UNGUARDED = [/^GET \/docs(\/|$)/, /^GET \/openapi\.(json|yaml)$/, /^OPTIONS /];

/**
 * Holds at the start that whatever the server answers has a declaration: not only what a controller has, but also what was
 * registered with the HTTP server itself. Call before any route is registered.
 */
export function refuseUndeclaredRoutes(server: FastifyInstance, app: INestApplication): void {
  const served = new Set<string>();
  server.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) served.add(`${each} ${url}`);
  });
  server.addHook('onReady', async () => {
    const declared = new Set(
      app
        .get(DeclaredAccess)
        .routes()
        .map(({ method, path }) => `${method} ${path}`),
    );
    const unknown = [...served].filter((route) => {
      // HEAD runs the handler of GET, its guard included.
      const asked = route.replace(/^HEAD /, 'GET ');
      return !declared.has(asked) && !UNGUARDED.some((pattern) => pattern.test(asked));
    });
    if (unknown.length > 0) throw new Error(`These routes declare no access: ${unknown.join(', ')}.`);
  });
}
