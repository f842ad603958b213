/** What one request of a page was answered with. */
export type Exchange = { readonly method: string; readonly path: string; readonly status: number };

/** Names that a page may send without asking first (Fetch, "CORS-safelisted request-header"). */
const SIMPLE = new Set(['accept', 'accept-language', 'content-language']);
/** Names that a page may read of any answer. */
const READABLE = new Set([
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
]);

/**
 * `fetch` as a page of this origin has it: it asks first whether it may, fails where the answer is not for its origin, and shows
 * only the headers it may read (Fetch, "CORS protocol"). Node's own does none of that.
 */
export function browserFetch(origin: string): {
  readonly fetch: typeof fetch;
  readonly exchanges: readonly Exchange[];
} {
  const exchanges: Exchange[] = [];
  const send = async (request: Request): Promise<Response> => {
    const headers = new Headers(request.headers);
    headers.set('origin', origin);
    const answer = await fetch(new Request(request, { headers }));
    const { pathname, search } = new URL(request.url);
    exchanges.push({ method: request.method, path: pathname + search, status: answer.status });
    const allowed = answer.headers.get('access-control-allow-origin');
    if (allowed !== '*' && allowed !== origin) throw new TypeError(`Failed to fetch: not for ${origin}`);
    return answer;
  };
  const preflight = async ({ url, method, headers }: Request): Promise<void> => {
    const names = [...headers.keys()].filter((name) => !SIMPLE.has(name)).sort();
    const answer = await send(
      new Request(url, {
        method: 'OPTIONS',
        headers: { 'access-control-request-method': method, 'access-control-request-headers': names.join(',') },
      }),
    );
    const list = (name: string): string[] => (answer.headers.get(name) ?? '').toLowerCase().split(/\s*,\s*/);
    const refused = names.filter((name) => !list('access-control-allow-headers').includes(name));
    if (!answer.ok || refused.length > 0 || !list('access-control-allow-methods').includes(method.toLowerCase()))
      throw new TypeError(`Failed to fetch: the preflight allows no ${method} with ${refused.join()}`);
  };
  return {
    exchanges,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      await preflight(request);
      const answer = await send(request);
      const exposed = (answer.headers.get('access-control-expose-headers') ?? '').toLowerCase().split(/\s*,\s*/);
      const readable = [...answer.headers].filter(([name]) => READABLE.has(name) || exposed.includes(name));
      return new Response(answer.body, { status: answer.status, headers: readable });
    },
  };
}
