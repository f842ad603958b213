import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Snapshot } from '@fledge/evaluation';

/** Roughly what is turned into text before others get their turn: about a millisecond's work. */
const CHUNK = 250;

/** The snapshot as JSON, made in slices so that the largest environment does not hold up the requests beside it. */
export async function serialize({ flags, cohorts, ...head }: Snapshot): Promise<Buffer> {
  const parts = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"flags":{`)];
  await serializeMembers(flags, parts);
  parts.push(Buffer.from('},"cohorts":{'));
  await serializeMembers(cohorts, parts);
  parts.push(Buffer.from('}}'));
  return Buffer.concat(parts);
}

async function serializeMembers(record: Readonly<Record<string, unknown>>, parts: Buffer[]): Promise<void> {
  const keys = Object.keys(record);
  for (let from = 0; from < keys.length; from += CHUNK) {
    if (from > 0) await nextTurn();
    const slice = keys.slice(from, from + CHUNK).map((key) => `${JSON.stringify(key)}:${JSON.stringify(record[key])}`);
    parts.push(Buffer.from((from > 0 ? ',' : '') + slice.join(',')));
  }
}

const END = Buffer.from('\n\n');

/**
 * One server-sent event; JSON has no line breaks, so one data line holds it. In memory of its own: events are kept for long, and a
 * small one would keep all of the block that Node.js shares out.
 */
export function sseEvent(name: string, id: string, data: string | Buffer): Buffer {
  const parts = [
    Buffer.from(`id: ${id}\nevent: ${name}\ndata: `),
    typeof data === 'string' ? Buffer.from(data) : data,
    END,
  ];
  const event = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(event, at);
  return event;
}
