import type { Guardrail, GuardrailCheck } from '@fledge/canary';
import { scaleLinear } from 'd3-scale';
import { area as areaOf, line as lineOf } from 'd3-shape';
import { area, dot, panel, stroke, type Box, type Run } from './panel.js';
import type { Rate, RatePoint } from './rates.js';
import { countText, percentText, type Scale, type TimeScale } from './scales.js';
import { element } from './svg.js';
import { painted, type Color } from './theme.js';

const ARMS = ['control', 'canary'] as const;

/** "canary 9.8 %, 31 of 316": an arm's sums so far. */
function legend(arm: 'canary' | 'control', { n, k }: { readonly n: number; readonly k: number }): Run {
  return {
    color: arm,
    content: n === 0 ? `${arm} –` : `${arm} ${percentText(k / n)}, ${countText(k)} of ${countText(n)}`,
  };
}

/** High enough for every rate, and for its interval unless that is very wide: few requests say little. */
function highest(points: readonly RatePoint[], limit: number | undefined): number {
  const rates = points.flatMap(({ canary, control }) => [canary, control]).filter((rate) => rate !== undefined);
  const top = Math.max(0.001, limit ?? 0, ...rates.map(({ rate }) => rate));
  return Math.min(1, Math.max(1.2 * top, Math.min(2 * top, Math.max(0, ...rates.map(({ high }) => high)))));
}

function drawArm(points: readonly RatePoint[], arm: 'canary' | 'control', x: TimeScale, y: Scale): string {
  const seen = points.map((point) => ({ at: point.at, rate: point[arm] }));
  type Seen = { readonly at: number; readonly rate: Rate | undefined };
  const band = areaOf<Seen>()
    .defined(({ rate }) => rate !== undefined)
    .x(({ at }) => x(at))
    .y0(({ rate }) => y(rate?.low ?? 0))
    .y1(({ rate }) => y(rate?.high ?? 0));
  const middle = lineOf<Seen>()
    .defined(({ rate }) => rate !== undefined)
    .x(({ at }) => x(at))
    .y(({ rate }) => y(rate?.rate ?? 0));
  const dots = seen.flatMap(({ at, rate }) =>
    rate === undefined ? [] : [whisker(x(at), y(rate.low), y(rate.high), arm) + dot(x(at), y(rate.rate), arm)],
  );
  return area(band(seen), arm, 0.16) + stroke(middle(seen), arm) + dots.join('');
}

/** An interval of its own: with one point there is no band. */
const whisker = (at: number, low: number, high: number, color: Color): string =>
  element('line', { x1: at, x2: at, y1: low, y2: high, ...painted(color, 'stroke'), 'stroke-opacity': 0.4 });

/** A guardrail's rates in both arms from tick to tick, each with its interval; `clip` names what keeps them inside. */
export function ratePanel(
  box: Box,
  x: TimeScale,
  guardrail: Guardrail,
  check: GuardrailCheck,
  points: readonly RatePoint[],
  clip: string,
): string {
  const limit = guardrail.kind === 'limit' ? guardrail.limit : undefined;
  const y = scaleLinear([0, highest(points, limit)], [box.bottom, box.top]).nice(3);
  const what = check.over === null ? check.name : `${check.name}: slower than ${Number(check.over.toPrecision(3))} ms`;
  const title: Run[] = [
    { content: what, color: 'ink', isBold: true },
    legend('canary', check.canary),
    ...(limit === undefined ? [legend('control', check.baseline)] : [limitLegend(limit)]),
  ];
  const marks = y.ticks(3).map((value) => ({ y: y(value), label: percentText(value) }));
  const arms: readonly Color[] = limit === undefined ? ARMS : ['canary'];
  const drawn = ARMS.filter((arm) => arms.includes(arm)).map((arm) => drawArm(points, arm, x, y));
  const line = limit === undefined ? '' : limitLine(box, y(limit));
  return panel(box, title, marks) + element('g', { 'clip-path': `url(#${clip})` }, ...drawn) + line;
}

const limitLegend = (limit: number): Run => ({ content: `limit ${percentText(limit)}`, color: 'limit' });

/** Where it gets serious. */
export const limitLine = ({ left, right }: Box, y: number): string =>
  element('line', { x1: left, x2: right, y1: y, y2: y, ...painted('limit', 'stroke'), 'stroke-dasharray': '5 3' });
