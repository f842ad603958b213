const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

function scramble(word: number): number {
  const product = Math.imul(word, C1);
  return Math.imul((product << 15) | (product >>> 17), C2);
}

function absorb(hash: number, word: number): number {
  const mixed = hash ^ scramble(word);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/** murmur3's finalizer: a permutation of the 32-bit integers in which every bit depends on every other. Signed result. */
export function fmix32(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** The scalar value at `index`, a lone surrogate read as U+FFFD. */
function scalarAt(text: string, index: number): number {
  const point = text.codePointAt(index) ?? 0;
  return point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
}

/** The code point's UTF-8 bytes as one number, first byte lowest, and how many they are. */
function utf8(point: number): readonly [bytes: number, count: number] {
  if (point < 0x80) return [point, 1];
  const last = 0x80 | (point & 63);
  const third = 0x80 | ((point >> 6) & 63);
  if (point < 0x800) return [0xc0 | (point >> 6) | (last << 8), 2];
  const second = 0x80 | ((point >> 12) & 63);
  if (point < 0x10000) return [0xe0 | (point >> 12) | (third << 8) | (last << 16), 3];
  return [0xf0 | (point >> 18) | (second << 8) | (third << 16) | (last << 24), 4];
}

/**
 * MurmurHash3_x86_32 of the text's UTF-8 bytes with seed 0 (Austin Appleby, public domain), unsigned.
 * Bytes are never materialised: ASCII goes four characters at a time, the rest through a word that fills up.
 */
export function murmur3(text: string): number {
  const { length } = text;
  let hash = 0;
  let index = 0;
  for (; index + 4 <= length; index += 4) {
    const a = text.charCodeAt(index);
    const b = text.charCodeAt(index + 1);
    const c = text.charCodeAt(index + 2);
    const d = text.charCodeAt(index + 3);
    if ((a | b | c | d) > 0x7f) break;
    hash = absorb(hash, a | (b << 8) | (c << 16) | (d << 24));
  }
  let size = index;
  let word = 0;
  while (index < length) {
    const point = scalarAt(text, index);
    index += point > 0xffff ? 2 : 1;
    const [bytes, count] = utf8(point);
    const shift = (size & 3) * 8;
    word |= bytes << shift;
    if ((size & 3) + count >= 4) {
      hash = absorb(hash, word);
      // A shift by 32 would wrap to none: an empty word then takes nothing over.
      word = shift === 0 ? 0 : bytes >>> (32 - shift);
    }
    size += count;
  }
  return fmix32(hash ^ scramble(word) ^ size) >>> 0;
}
