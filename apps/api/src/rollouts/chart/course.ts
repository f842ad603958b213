import type { RolloutEvent } from '@fledge/store';
import { scaleLinear } from 'd3-scale';
import { area as areaOf, curveStepAfter, line as lineOf } from 'd3-shape';
import { area, panel, stroke, type Box } from './panel.js';
import type { TimeScale } from './scales.js';
import { element, escapeText, text } from './svg.js';
import { painted, type Color } from './theme.js';

const LABEL_ROW = 13;
const LABEL_ROWS = 2;
/** Of a character of a label, about. */
const CHARACTER = 6;

/** How high the labels of events stand above the first panel. */
export const LABELS_HEIGHT = LABEL_ROW * LABEL_ROWS + 8;

/** Where the rollout began to hold, or was paused, and until when. */
type Halt = { readonly from: number; readonly to: number; readonly color: Color };

function haltsOf(events: readonly RolloutEvent[], end: number): Halt[] {
  return events.flatMap(({ type, at }, index) => {
    if (type !== 'held' && type !== 'paused') return [];
    const over = events
      .slice(index + 1)
      .find((later) =>
        type === 'paused' ? later.state !== 'paused' : later.type !== 'held' && later.type !== 'learned',
      );
    const to = over === undefined ? end : Date.parse(over.at);
    return [{ from: Date.parse(at), to, color: type === 'held' ? 'trouble' : 'faint' }];
  });
}

/** The share of the audience that gets the canary, over time; halts are shaded. */
export function percentagePanel(box: Box, x: TimeScale, events: readonly RolloutEvent[]): string {
  const y = scaleLinear([0, 100], [box.bottom, box.top]);
  const end = x.domain()[1]?.getTime() ?? 0;
  const steps = events.map(({ at, percentage }) => ({ at: Date.parse(at), percentage }));
  const last = steps.at(-1);
  if (last !== undefined) steps.push({ at: end, percentage: last.percentage });
  type Step = (typeof steps)[number];
  const under = areaOf<Step>(
    ({ at }) => x(at),
    y(0),
    ({ percentage }) => y(percentage),
  ).curve(curveStepAfter);
  const along = lineOf<Step>(
    ({ at }) => x(at),
    ({ percentage }) => y(percentage),
  ).curve(curveStepAfter);
  const title = [{ content: 'percentage of the audience', color: 'ink', isBold: true }] as const;
  const marks = [0, 50, 100].map((value) => ({ y: y(value), label: `${value} %` }));
  const halts = haltsOf(events, end).map(({ from, to, color }) =>
    element('rect', {
      x: x(from),
      y: box.top,
      width: Math.max(1, x(to) - x(from)),
      height: box.bottom - box.top,
      ...painted(color, 'fill'),
      'fill-opacity': 0.18,
    }),
  );
  return (
    panel(box, title, marks) +
    halts.join('') +
    area(under(steps), 'percentage', 0.2) +
    stroke(along(steps), 'percentage')
  );
}

function colorOf({ type }: RolloutEvent): Color {
  if (type === 'rolled_back' || type === 'cancelled') return 'limit';
  if (type === 'held' || type === 'inconclusive') return 'trouble';
  return type === 'completed' ? 'percentage' : 'faint';
}

/** Steps that lead to another percentage name it. */
const MOVES = new Set(['started', 'warmed_up', 'advanced', 'promoted', 'jumped']);

const labelOf = ({ type, percentage }: RolloutEvent): string =>
  `${type.replaceAll('_', ' ')}${MOVES.has(type) ? ` ${percentage} %` : ''}`;

/** A line at every event through the panels, with its name above the first of them where there is room, and the whole of it for who points at it. */
export function eventMarks(boxes: readonly Box[], top: number, x: TimeScale, events: readonly RolloutEvent[]): string {
  const [left = 0, right = 0] = x.range();
  const ends = Array.from({ length: LABEL_ROWS }, () => left - 1);
  return events
    .map((event) => {
      const at = x(Date.parse(event.at));
      const label = labelOf(event);
      const width = label.length * CHARACTER + 8;
      const isLate = at + width > right;
      const start = isLate ? at - width : at;
      const row = ends.findIndex((end) => end < start);
      if (row !== -1) ends[row] = start + width;
      const color = colorOf(event);
      const y = top - 6 - LABEL_ROW * Math.max(row, 0);
      return element(
        'g',
        {},
        element('title', {}, ...tooltip(event)),
        ...boxes.map((box) =>
          element('line', {
            x1: at,
            x2: at,
            y1: box.top,
            y2: box.bottom,
            ...painted(color, 'stroke'),
            'stroke-dasharray': '2 3',
          }),
        ),
        element('circle', { cx: at, cy: y, r: 3, ...painted(color, 'fill') }),
        row === -1
          ? ''
          : text(label, {
              x: isLate ? at - 6 : at + 6,
              y: y + 4,
              'text-anchor': isLate ? 'end' : undefined,
              'font-size': 11,
              ...painted(color, 'fill'),
            }),
      );
    })
    .join('');
}

function tooltip({ at, type, detail, comment, actor }: RolloutEvent): string[] {
  const said = [detail, comment].filter((part) => part !== null).join(' ');
  return [escapeText(`${at} ${type.replaceAll('_', ' ')} by ${actor.name}. ${said}`.trim())];
}
