// The reference: node:http and prepared buffers, nothing else. `POST /broadcast?id=…` writes one event to all streams.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

const body = randomBytes(Number(process.argv[2]));
const streams = new Set();
const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  if (pathname === '/sdk/v1/stream') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('id: 0\nevent: current\ndata: {}\n\n');
    streams.add(response);
    response.once('close', () => streams.delete(response));
  } else if (pathname === '/broadcast') {
    const event = Buffer.from(`id: ${searchParams.get('id')}-bare\nevent: patch\ndata: ${'x'.repeat(400)}\n\n`);
    for (const stream of streams) stream.write(event);
    response.writeHead(204).end();
  } else if (pathname === '/304') {
    response.writeHead(304, { etag: '"1-aaaaaaaa"', 'cache-control': 'private, no-cache' }).end();
  } else {
    response
      .writeHead(200, {
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        'content-length': body.length,
        etag: '"1-aaaaaaaa"',
      })
      .end(body);
  }
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
