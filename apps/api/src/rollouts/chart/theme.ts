import { createHash } from 'node:crypto';

/** By what is drawn: its colour on white, and on black. */
const COLORS = {
  paper: ['#ffffff', '#0d1117'],
  ink: ['#1f2328', '#e6edf3'],
  faint: ['#59636e', '#9198a1'],
  grid: ['#d8dee4', '#2a313a'],
  canary: ['#bc4c00', '#f0883e'],
  control: ['#0969da', '#58a6ff'],
  percentage: ['#1a7f37', '#3fb950'],
  limit: ['#cf222e', '#ff7b72'],
  trouble: ['#bf8700', '#d29922'],
  first: ['#8250df', '#bc8cff'],
  second: ['#0a7d83', '#39c5cf'],
  third: ['#99286e', '#f778ba'],
  fourth: ['#6e7781', '#b1bac4'],
} as const;

export type Color = keyof typeof COLORS;

/** What a color is used for. */
type Use = 'fill' | 'stroke';

/** The attributes of something in a colour: itself where no style sheet is let in, and a class by which the dark one finds it. */
export function painted(
  color: Color,
  use: Use,
): { readonly class: string; readonly fill?: string; readonly stroke?: string } {
  const [light] = COLORS[color];
  return use === 'fill' ? { class: `f-${color}`, fill: light } : { class: `s-${color}`, stroke: light, fill: 'none' };
}

const DARK = Object.entries(COLORS)
  .map(([name, [, dark]]) => `.f-${name}{fill:${dark}}.s-${name}{stroke:${dark}}`)
  .join('');

/** Changes the colours where people have chosen dark ones. */
export const STYLE = `@media (prefers-color-scheme:dark){${DARK}}`;

/** Lets this one style sheet in and nothing else. */
export const PICTURE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'`;

/** The colours of guardrails, in the plan's order. */
export const GUARDRAIL_COLORS = ['first', 'second', 'third', 'fourth'] as const satisfies readonly Color[];
