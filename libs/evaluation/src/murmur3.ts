function scramble(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

/** murmur3's finalizer: a permutation of the 32-bit integers in which every bit depends on every other. Signed result. */
export function fmix32(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** The text's UTF-8 bytes as a text of characters up to U+00FF; a lone surrogate is taken for U+FFFD. */
function utf8(text: string): string {
  return encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd')).replace(/%(..)/g, (_, byte: string) =>
    String.fromCharCode(Number.parseInt(byte, 16)),
  );
}

function hash(text: string, greatest: number): number {
  const { length } = text;
  let state = 0;
  let seen = 0;
  let index = 0;
  for (; index + 4 <= length; index += 4) {
    const a = text.charCodeAt(index);
    const b = text.charCodeAt(index + 1);
    const c = text.charCodeAt(index + 2);
    const d = text.charCodeAt(index + 3);
    seen |= a | b | c | d;
    state ^= scramble(a | (b << 8) | (c << 16) | (d << 24));
    state = (Math.imul((state << 13) | (state >>> 19), 5) + 0xe6546b64) | 0;
  }
  let word = 0;
  for (let shift = 0; index < length; index++, shift += 8) {
    const code = text.charCodeAt(index);
    seen |= code;
    word |= code << shift;
  }
  // One look at the end costs a text of ASCII less than one at every character.
  return seen > greatest ? hash(utf8(text), 0xff) : fmix32(state ^ scramble(word) ^ length) >>> 0;
}

/**
 * MurmurHash3_x86_32 of the text's UTF-8 bytes with seed 0 (Austin Appleby, public domain), unsigned.
 * A text of ASCII is its own bytes; any other is hashed at a second attempt.
 */
export function murmur3(text: string): number {
  return hash(text, 0x7f);
}
