const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const VERSION_4 = RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
const VERSION_6 = /^(?:[\da-f]{1,4}:){7}[\da-f]{1,4}$/i;

function binary(numbers: readonly string[], radix: number, width: number): string {
  return numbers.map((number) => Number.parseInt(number, radix).toString(2).padStart(width, '0')).join('');
}

/** The bits of an IP address, 32 of version 4 or 128 of version 6 (RFC 4291, no zone); undefined for anything else. */
export function address(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  // The last 32 bits of version 6 may be written as version 4.
  const start = value.lastIndexOf(':') + 1;
  const tail = value.slice(start);
  const last = VERSION_4.test(tail) ? binary(tail.split('.'), 10, 8) : undefined;
  if (start === 0) return last;
  const hex = (from: number): string => Number.parseInt(last?.slice(from, from + 16) ?? '', 2).toString(16);
  const text = value.slice(0, start) + (last === undefined ? tail : `${hex(0)}:${hex(16)}`);
  // One `::` stands for all the groups that are missing, one at least.
  const missing = 8 - text.split(/:+/).filter(Boolean).length;
  const groups = text.replace('::', (_, from: number) => {
    const zeros = Array.from({ length: missing }, () => '0').join(':');
    return `${from > 0 ? ':' : ''}${zeros}${from + 2 < text.length ? ':' : ''}`;
  });
  return VERSION_6.test(groups) ? binary(groups.split(':'), 16, 16) : undefined;
}

/** A range of addresses: those of so many bits that begin with the prefix. */
export type Range = { readonly prefix: string; readonly bits: number };

/** Reads a range in CIDR notation, `10.0.0.0/8` or `2001:db8::/32`; bits beyond the prefix are ignored. */
export function range(value: unknown): Range | undefined {
  const [base, length, ...more] = typeof value === 'string' ? value.split('/') : [];
  const all = address(base);
  const kept = Number(length) & 255;
  if (all === undefined || String(kept) !== length || kept > all.length || more.length > 0) return undefined;
  return { prefix: all.slice(0, kept), bits: all.length };
}

/** True when the address, as `address` reads it, lies in the range; versions 4 and 6 never match each other. */
export function inRange(bitsOf: string, { prefix, bits }: Range): boolean {
  return bitsOf.length === bits && bitsOf.startsWith(prefix);
}
