import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

export const NDJSON = 'application/x-ndjson';

/** Sends one JSON document per line as fast as the client takes them, holding no more than a page. */
export async function ndjson(reply: FastifyReply, name: string, documents: AsyncIterator<unknown>): Promise<void> {
  // The first one is awaited, so that what is refused is refused with a status and not in the middle of an answer.
  const first = await documents.next();
  void reply
    .header('content-type', `${NDJSON}; charset=utf-8`)
    .header('content-disposition', `attachment; filename="${name}.ndjson"`)
    .header('cache-control', 'no-store')
    .send(Readable.from(lines(first, documents)));
}

async function* lines(
  first: IteratorResult<unknown, unknown>,
  documents: AsyncIterator<unknown>,
): AsyncGenerator<string, void, undefined> {
  for (let next = first; next.done !== true; next = await documents.next()) yield `${JSON.stringify(next.value)}\n`;
}
