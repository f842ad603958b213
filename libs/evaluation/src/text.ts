/** The number that a text is in JSON's grammar; undefined for anything else, such as `""`, `" 5"`, `"0x10"` and `"007"`. */
export function jsonNumber(text: string): number | undefined {
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined;
}

/**
 * Lower case, code point by code point and in no locale; a code point that would become several stays.
 * JavaScript's own lower-casing differs from that in two places only: a final sigma, and U+0130.
 */
export function fold(text: string): string {
  return text.replaceAll('Σ', 'σ').replace(/[^İ]+/g, (part) => part.toLowerCase());
}

/** A name as it is, as JSON where it would break a line. */
export function inLine(name: string): string {
  return /\p{Cc}/u.test(name) ? JSON.stringify(name) : name;
}
