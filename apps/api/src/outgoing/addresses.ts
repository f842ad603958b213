import ipaddr from 'ipaddr.js';

/** What no receiver has but a cloud's own inside (Azure's agent), although it lies among public addresses. */
const INSIDE = new Set(['168.63.129.16']);

/** Whether the text is an address, or a range such as 10.0.0.0/8. */
export const isRange = (text: string): boolean => ipaddr.isValidCIDR(text) || ipaddr.isValid(text);

/**
 * Which addresses the service may connect to on somebody else's word: public ones, and those that the installation allows. Not this
 * machine, its neighbours, the cloud's metadata, nor any of them in IPv6's clothes (RFC 6890 and its successors, as ipaddr.js keeps them).
 */
export class AddressPolicy {
  readonly #allowed: readonly ReturnType<typeof ipaddr.parseCIDR>[];

  constructor(allowed: readonly string[] = []) {
    this.#allowed = allowed.map((text) => {
      if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
      const address = ipaddr.parse(text);
      return [address, address.kind() === 'ipv4' ? 32 : 128];
    });
  }

  /** What kind of address it is that may not be reached; undefined: it may. */
  refusal(text: string): string | undefined {
    if (!ipaddr.isValid(text)) return 'unreadable';
    // An IPv4 address in IPv6's clothes is judged as what it is.
    const address = ipaddr.process(text);
    const isAllowed = this.#allowed.some(
      ([range, bits]) => range.kind() === address.kind() && address.match(range, bits),
    );
    if (isAllowed) return undefined;
    if (INSIDE.has(address.toString())) return 'metadata';
    const kind = isCompatible(address) ? 'ipv4Compatible' : address.range();
    return kind === 'unicast' ? undefined : kind;
  }
}

/** ::a.b.c.d, which was given up but is still understood. */
const isCompatible = (address: ipaddr.IPv4 | ipaddr.IPv6): boolean =>
  address.kind() === 'ipv6' &&
  address
    .toByteArray()
    .slice(0, 12)
    .every((byte) => byte === 0);
