import type { Coding } from './encoded-snapshot.js';

/** The best coding that Accept-Encoding allows: br, then gzip, then none. */
export function codingFor(header: string | string[] | undefined): Coding {
  if (typeof header !== 'string') return 'identity';
  const accepted = new Map(
    header.split(',').map((part): [string, number] => {
      const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith('q='));
      return [name, quality === undefined ? 1 : Number(quality.slice(2))];
    }),
  );
  const allows = (coding: Coding): boolean => (accepted.get(coding) ?? accepted.get('*') ?? 0) > 0;
  return allows('br') ? 'br' : allows('gzip') ? 'gzip' : 'identity';
}

/** A revision with the suffix of a coding. It may itself end like one: its length tells them apart. */
const CODED = /^(\d+-[\w-]{8}(?:\.[\w-]{8})?)-(?:gz|br)$/;

/** The revisions that If-None-Match names, whatever their coding: weakly, and without the coding's suffix. */
export function revisionsIn(header: string | undefined): string[] {
  if (header === undefined || header.length > 1_000) return [];
  return header.split(',').map((part) => part.trim().replace(/^W\//, '').replaceAll('"', '').replace(CODED, '$1'));
}
