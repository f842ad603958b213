// Holds streams on bare sockets, and answers when an event has come to the last of them.
import { connect } from 'node:net';

const [url, count, ...keys] = process.argv.slice(2);
const { port } = new URL(url);
const STREAMS = Number(count);
/** How many streams have an event, and when the last of them got it. */
const arrivals = new Map();
const waiting = new Map();
let bytes = 0;
let held = 0;

for (let begun = 0; begun < STREAMS; begun += 100)
  await Promise.all(
    Array.from({ length: Math.min(100, STREAMS - begun) }, (_, index) => open(keys[(begun + index) % keys.length])),
  );
process.send({ type: 'held' });

process.on('message', ({ type, id }) => {
  if (type === 'report') process.send({ type, bytes });
  else if (arrivals.get(id)?.count === STREAMS) process.send({ type, at: arrivals.get(id).at });
  else waiting.set(id, type);
});

function open(key) {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(`GET /sdk/v1/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n\r\n`),
    );
    let begun = false;
    let rest = '';
    socket.setEncoding('latin1');
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      if (!begun) {
        // The head and the first event, which may be a whole snapshot; its end tells that it is all here.
        rest = rest.slice(-4) + chunk;
        if (!rest.includes('event: ') && !rest.endsWith('\n\n\r\n')) return;
        begun = true;
        held += 1;
        resolve();
        return;
      }
      for (const [, version] of chunk.matchAll(/^id: (\d+)-/gm)) {
        bytes = chunk.length;
        arrive(version);
      }
    });
  });
}

function arrive(version) {
  const arrival = arrivals.get(version) ?? { count: 0, at: 0 };
  arrival.count += 1;
  arrival.at = Date.now();
  arrivals.set(version, arrival);
  if (arrival.count === STREAMS && waiting.has(version)) process.send({ type: waiting.get(version), at: arrival.at });
}
