import type { ScaleLinear, ScaleTime } from 'd3-scale';

export type TimeScale = ScaleTime<number, number>;
export type Scale = ScaleLinear<number, number>;

const count = new Intl.NumberFormat('en');
const SUPERSCRIPT = '⁰¹²³⁴⁵⁶⁷⁸⁹';

export const countText = (n: number): string => count.format(n);

/** "2.4 %". */
export const percentText = (share: number): string => `${Number((share * 100).toPrecision(2))} %`;

/** A power of ten: 0.1, 1,000, 10⁶. */
export function powerText(exponent: number): string {
  if (exponent < 6) return count.format(Number((10 ** exponent).toPrecision(1)));
  return `10${String(exponent).replace(/\d/g, (digit) => SUPERSCRIPT[Number(digit)] ?? '')}`;
}

/** A stake, from its natural logarithm: 40, 1,300, 10⁷. */
export function stakeText(ln: number): string {
  const exponent = ln / Math.LN10;
  return exponent < 6 ? count.format(Number(Math.exp(ln).toPrecision(2))) : powerText(Math.floor(exponent));
}

const MINUTE = 60_000;

/** How instants are written along the axis, by how long it is. */
export function timeFormat(spanMs: number): string {
  if (spanMs < 20 * MINUTE) return '%H:%M:%S';
  return spanMs < 2 * 24 * 60 * MINUTE ? '%H:%M' : '%b %d %H:%M';
}
