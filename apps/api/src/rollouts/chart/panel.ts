import { element, escapeText, text } from './svg.js';
import { painted, type Color } from './theme.js';

/** Where in the picture something is drawn, in pixels. */
export type Box = { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number };

/** A stretch of text in a colour. */
export type Run = { readonly content: string; readonly color: Color; readonly isBold?: boolean };

/** A value on an axis, where it lies and what is written beside it. */
export type AxisMark = { readonly y: number; readonly label: string };

export const TITLE_HEIGHT = 20;

/** One line of text in several colours. */
export function runs(x: number, y: number, parts: readonly Run[]): string {
  const spans = parts.map(({ content, color, isBold }, index) =>
    element(
      'tspan',
      { dx: index === 0 ? undefined : 12, 'font-weight': isBold === true ? 600 : undefined, ...painted(color, 'fill') },
      escapeText(content),
    ),
  );
  return element('text', { x, y, 'font-size': 12 }, ...spans);
}

/** What all panels have: a title above, and lines across at the marks. */
export function panel({ left, right, top }: Box, title: readonly Run[], marks: readonly AxisMark[]): string {
  const lines = marks.flatMap(({ y, label }) => [
    element('line', { x1: left, x2: right, y1: y, y2: y, ...painted('grid', 'stroke') }),
    text(label, { x: left - 8, y: y + 4, 'text-anchor': 'end', 'font-size': 11, ...painted('faint', 'fill') }),
  ]);
  return runs(left, top - 8, title) + lines.join('');
}

/** A line along a path. */
export const stroke = (d: string | null, color: Color, more: Readonly<Record<string, string | number>> = {}): string =>
  d === null
    ? ''
    : element('path', { d, ...painted(color, 'stroke'), 'stroke-width': 1.75, 'stroke-linejoin': 'round', ...more });

/** The area within a path. */
export const area = (d: string | null, color: Color, opacity: number): string =>
  d === null ? '' : element('path', { d, ...painted(color, 'fill'), 'fill-opacity': opacity });

export const dot = (x: number, y: number, color: Color, r = 2.25): string =>
  element('circle', { cx: x, cy: y, r, ...painted(color, 'fill') });
