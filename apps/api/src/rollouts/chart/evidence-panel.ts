import type { GuardrailCheck } from '@fledge/canary';
import type { RolloutTick } from '@fledge/store';
import { scaleLinear } from 'd3-scale';
import { line as lineOf } from 'd3-shape';
import { dot, panel, stroke, type Box, type Run } from './panel.js';
import { limitLine } from './rate-panel.js';
import { powerText, stakeText, type Scale, type TimeScale } from './scales.js';
import { text } from './svg.js';
import { GUARDRAIL_COLORS, painted, type Color } from './theme.js';

/** Powers of ten beyond which a bet is as good as lost, or won. */
const [LEAST, MOST] = [-2, 12];

type Point = { readonly at: number; readonly exponent: number };

const exponentOf = (ln: number): number => Math.min(MOST, Math.max(LEAST, ln / Math.LN10));

function pointsOf(ticks: readonly RolloutTick[], guardrail: number): Point[] {
  return ticks.flatMap(({ at, checks }) => {
    const logE = checks.find((check) => check.guardrail === guardrail)?.logE ?? null;
    return logE === null ? [] : [{ at: Date.parse(at), exponent: exponentOf(logE) }];
  });
}

function marksOf(y: Scale): { y: number; label: string }[] {
  const [from = 0, to = 0] = y.domain();
  const step = Math.max(1, Math.ceil((to - from) / 5));
  const exponents = Array.from({ length: Math.floor(to) - Math.ceil(from) + 1 }, (_, index) => Math.ceil(from) + index);
  return exponents
    .filter((exponent) => exponent % step === 0)
    .map((value) => ({ y: y(value), label: powerText(value) }));
}

/** The bets against the canary, each against the limit at which its guardrail acts, on a scale of powers of ten. */
export function evidencePanel(
  box: Box,
  x: TimeScale,
  checks: readonly GuardrailCheck[],
  ticks: readonly RolloutTick[],
): string {
  const lines = checks.flatMap(({ guardrail, name, limit }, index) => {
    const color: Color = GUARDRAIL_COLORS[index] ?? 'fourth';
    return limit === null ? [] : [{ name, limit, color, points: pointsOf(ticks, guardrail) }];
  });
  const exponents = lines.flatMap(({ points, limit }) => [
    limit / Math.LN10 + 0.4,
    ...points.map((each) => each.exponent),
  ]);
  const y = scaleLinear([Math.min(-0.5, ...exponents), Math.max(1, ...exponents)], [box.bottom, box.top]);
  const title: Run[] = [
    { content: 'evidence against the canary', color: 'ink', isBold: true },
    ...lines.map(({ name, color }): Run => ({ content: name, color })),
  ];
  const limits = [...new Set(lines.map(({ limit }) => limit))].map(
    (limit) =>
      limitLine(box, y(limit / Math.LN10)) +
      text(`limit ${stakeText(limit)}`, {
        x: box.left + 6,
        y: y(limit / Math.LN10) - 4,
        'font-size': 11,
        ...painted('limit', 'fill'),
      }),
  );
  const drawn = lines.map(({ points, color }) => {
    const path = lineOf<Point>()
      .x(({ at }) => x(at))
      .y(({ exponent }) => y(exponent));
    const last = points.at(-1);
    return stroke(path(points), color) + (last === undefined ? '' : dot(x(last.at), y(last.exponent), color, 3));
  });
  return panel(box, title, marksOf(y)) + limits.join('') + drawn.join('');
}
