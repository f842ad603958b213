const OCTET = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const VERSION_4 = RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);

function binary(numbers: readonly number[], width: number): string {
  return numbers.map((number) => number.toString(2).padStart(width, '0')).join('');
}

/** The bits of an IP address, 32 of version 4 or 128 of version 6 (RFC 4291, no zone); undefined for anything else. */
export function address(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 45) return undefined;
  const start = value.lastIndexOf(':') + 1;
  const octets = VERSION_4.exec(value.slice(start))?.slice(1).map(Number);
  if (octets !== undefined && start === 0) return binary(octets, 8);
  const [a = 0, b = 0, c = 0, d = 0] = octets ?? [];
  // The last 32 bits of version 6 may be written as version 4.
  const tail = octets && `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  const sides = (value.slice(0, start) + (tail ?? value.slice(start))).split('::');
  const [left = [], right] = sides.map((side) => (side === '' ? [] : side.split(':')));
  const missing = 8 - left.length - (right?.length ?? 0);
  if (sides.length > 2 || (right === undefined ? missing !== 0 : missing < 1)) return undefined;
  const groups = [...left, ...Array<string>(missing).fill('0'), ...(right ?? [])];
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined;
  return binary(
    groups.map((group) => Number.parseInt(group, 16)),
    16,
  );
}

/** A range of addresses: those of so many bits that begin with the prefix. */
export type Range = { readonly prefix: string; readonly bits: number };

/** Reads a range in CIDR notation, `10.0.0.0/8` or `2001:db8::/32`; bits beyond the prefix are ignored. */
export function range(value: unknown): Range | undefined {
  const [, base, length] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(typeof value === 'string' ? value : '') ?? [];
  const all = address(base);
  if (all === undefined || Number(length) > all.length) return undefined;
  return { prefix: all.slice(0, Number(length)), bits: all.length };
}

/** True when the address, as `address` reads it, lies in the range; versions 4 and 6 never match each other. */
export function inRange(bitsOf: string, { prefix, bits }: Range): boolean {
  return bitsOf.length === bits && bitsOf.startsWith(prefix);
}
