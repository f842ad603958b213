function binary(number: number, width: number): string {
  return number.toString(2).padStart(width, '0');
}

/** The 32 bits of a version 4 address. */
function octets(text: string): string | undefined {
  const parts = text.split('.');
  // Only a canonical number from 0 to 255 survives the mask.
  const isAddress = parts.length === 4 && parts.every((part) => String(Number(part) & 255) === part);
  return isAddress ? parts.map((part) => binary(Number(part), 8)).join('') : undefined;
}

/** The bits of an IP address, 32 of version 4 or 128 of version 6 (RFC 4291, no zone); undefined for anything else. */
export function address(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 45) return undefined;
  const start = value.lastIndexOf(':') + 1;
  const last = octets(value.slice(start));
  if (start === 0) return last;
  // The last 32 bits of version 6 may be written as version 4.
  const hex = (from: number): string => Number.parseInt(last?.slice(from, from + 16) ?? '', 2).toString(16);
  const text = last === undefined ? value : `${value.slice(0, start)}${hex(0)}:${hex(16)}`;
  const [left = [], right, ...more] = text.split('::').map((side) => (side === '' ? [] : side.split(':')));
  const missing = 8 - left.length - (right?.length ?? 0);
  if (more.length > 0 || (right === undefined ? missing !== 0 : missing < 1)) return undefined;
  const groups = [...left, ...Array<string>(missing).fill('0'), ...(right ?? [])];
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined;
  return groups.map((group) => binary(Number.parseInt(group, 16), 16)).join('');
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
