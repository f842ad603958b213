const OCTET = /^(?:0|[1-9]\d{0,2})$/;

function octets(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => OCTET.test(part) && Number(part) < 256)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number);
  return [a * 256 + b, c * 256 + d];
}

/** The 16-bit groups of one side of `::`; the last may be an IPv4 address. */
function groups(text: string): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const tail = parts.at(-1)?.includes('.') ? octets(parts.pop() ?? '') : [];
  if (tail === undefined || !parts.every((part) => /^[0-9a-fA-F]{1,4}$/.test(part))) return undefined;
  return [...parts.map((part) => Number.parseInt(part, 16)), ...tail];
}

/** The 16-bit groups of an IP address, two for version 4 and eight for version 6 (RFC 4291, no zone); else undefined. */
export function address(text: unknown): readonly number[] | undefined {
  if (typeof text !== 'string') return undefined;
  if (!text.includes(':')) return octets(text);
  const [left = '', right, ...more] = text.split('::');
  const head = right !== undefined && left.includes('.') ? undefined : groups(left);
  const tail = groups(right ?? '');
  if (head === undefined || tail === undefined || more.length > 0) return undefined;
  const missing = 8 - head.length - tail.length;
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

/** A range of addresses: those that agree with `base` in the first `bits` bits. */
export type Range = { readonly base: readonly number[]; readonly bits: number };

/** Reads a range in CIDR notation, `10.0.0.0/8` or `2001:db8::/32`; bits beyond the prefix are ignored. */
export function range(value: unknown): Range | undefined {
  const [prefix, length, ...more] = typeof value === 'string' ? value.split('/') : [];
  const base = address(prefix);
  if (base === undefined || length === undefined || more.length > 0 || !OCTET.test(length)) return undefined;
  return Number(length) <= base.length * 16 ? { base, bits: Number(length) } : undefined;
}

/** True when the address lies in the range; versions 4 and 6 never match each other. */
export function inRange(groupsOf: readonly number[], { base, bits }: Range): boolean {
  return (
    groupsOf.length === base.length &&
    base.every((group, index) => {
      const ignored = Math.min(16, Math.max(0, 16 * (index + 1) - bits));
      return group >> ignored === (groupsOf[index] ?? 0) >> ignored;
    })
  );
}
