// What every ratio is measured against: one murmur3_32 of a 36-character id and one comparison.
// A plain implementation of its own, so that nothing in the product can make the reference faster or slower.

/** MurmurHash3_x86_32 of an ASCII text with seed 0, unsigned. */
export function murmur3(text) {
  const { length } = text;
  const whole = length & ~3;
  let state = 0;
  for (let i = 0; i < whole; i += 4) {
    let word =
      text.charCodeAt(i) |
      (text.charCodeAt(i + 1) << 8) |
      (text.charCodeAt(i + 2) << 16) |
      (text.charCodeAt(i + 3) << 24);
    word = Math.imul(word, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    state ^= word;
    state = (state << 13) | (state >>> 19);
    state = (Math.imul(state, 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let i = length - 1; i >= whole; i--) rest = (rest << 8) | text.charCodeAt(i);
  rest = Math.imul(rest, 0xcc9e2d51);
  state ^= Math.imul((rest << 15) | (rest >>> 17), 0x1b873593);
  state ^= length;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/** The reference as a call: true for a quarter of the ids, of which there are a power of two. */
export function reference(ids) {
  const mask = ids.length - 1;
  return (i) => murmur3(ids[i & mask]) < 0x40000000;
}
