import type { FastifyInstance } from 'fastify';

/** What browsers are told about every answer: it is data, to be shown by nobody, kept by nobody, and read by scripts of this origin. */
export const DATA_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** Swagger UI runs its own scripts and asks this server; its page carries style sheets and small pictures in itself. */
const PAGE_HEADERS = {
  ...DATA_HEADERS,
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'x-frame-options': 'DENY',
} as const;

const PAGES = /^\/docs(?:[/?]|$)/;

/** Gives every answer the headers that keep browsers from making more of it than it is. A route may set its own instead. */
export function protectBrowsers(server: FastifyInstance, publicUrl: URL | undefined): void {
  const transport = publicUrl?.protocol === 'https:' ? { 'strict-transport-security': 'max-age=31536000' } : {};
  const page = { ...PAGE_HEADERS, ...transport };
  const data = { ...DATA_HEADERS, ...transport };
  server.addHook('onRequest', (request, reply, done) => {
    void reply.headers(PAGES.test(request.url) ? page : data);
    done();
  });
}
