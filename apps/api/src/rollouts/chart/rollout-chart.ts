import type { Guardrail } from '@fledge/canary';
import type { RolloutCourse } from '@fledge/store';
import { scaleUtc } from 'd3-scale';
import { eventMarks, LABELS_HEIGHT, percentagePanel } from './course.js';
import { evidencePanel } from './evidence-panel.js';
import { runs, TITLE_HEIGHT, type Box } from './panel.js';
import { ratePanel } from './rate-panel.js';
import { ratesOf } from './rates.js';
import { percentText, timeFormat, type TimeScale } from './scales.js';
import { element, escapeText, text } from './svg.js';
import { GUARDRAIL_COLORS, painted, STYLE, type Color } from './theme.js';

const WIDTH = 960;
const [LEFT, RIGHT] = [64, WIDTH - 24];
/** Of the first panel, and of the others. */
const [FIRST_HEIGHT, HEIGHT] = [64, 104];
const GAP = 18;
/** Of the sentence below the title. */
const [LINE_LENGTH, LINES, LINE_HEIGHT] = [140, 2, 17];
const MOST_RATES = 60;
const SHORTEST_MS = 10_000;
/** Of the time, left free after the last event. */
const REST = 0.04;

const STATE_COLORS: Readonly<Record<string, Color>> = {
  completed: 'percentage',
  rolled_back: 'limit',
  cancelled: 'limit',
  paused: 'trouble',
};

/** Whether a share of failures is what the guardrail looks at. */
const hasRates = (guardrail: Guardrail): boolean =>
  guardrail.kind === 'rate' ||
  guardrail.kind === 'quantile' ||
  (guardrail.kind === 'limit' && guardrail.test === 'rate');

/** As many lines as there is room for, at spaces. */
function wrapped(sentence: string): string[] {
  const lines: string[] = [];
  for (const word of sentence.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + word.length < LINE_LENGTH) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word.slice(0, LINE_LENGTH));
  }
  return lines.length > LINES ? [...lines.slice(0, LINES - 1), `${lines[LINES - 1] ?? ''} …`] : lines;
}

/** From the start to the end, or to now while there is something to see. */
function timesOf({ rollout, events, ticks, now }: RolloutCourse): { from: number; to: number } {
  const from = Date.parse(rollout.startedAt ?? rollout.createdAt);
  const isOpen = rollout.endedAt === null || rollout.watchUntil !== null;
  const latest = [rollout.endedAt, events.at(-1)?.at, ticks.at(-1)?.at, isOpen ? now : undefined];
  const ends = latest.flatMap((at) => (typeof at === 'string' ? [Date.parse(at)] : []));
  const to = Math.max(from + SHORTEST_MS, ...ends);
  return { from, to: to + (to - from) * REST };
}

/** What it says, to who does not see it. */
function description({ rollout, guardrails }: RolloutCourse, sentence: string): string {
  const figures = guardrails.flatMap(({ name, canary, baseline }) =>
    canary.n === 0
      ? []
      : [
          `${name}: canary ${percentText(canary.k / canary.n)} of ${canary.n}` +
            (baseline.n === 0 ? '.' : `, control ${percentText(baseline.k / baseline.n)} of ${baseline.n}.`),
        ],
  );
  return [`The canary gets ${rollout.percentage} % of the audience.`, sentence, ...figures].join(' ');
}

function header({ rollout }: RolloutCourse, sentence: readonly string[]): string {
  const { flag, canary, baseline, project, environment, state, startedAt } = rollout;
  const color = STATE_COLORS[state] ?? 'ink';
  const since = startedAt === null ? '' : `, started ${startedAt.slice(0, 16).replace('T', ' ')} UTC`;
  return [
    text(`${flag}: ${canary} instead of ${baseline}`, {
      x: LEFT,
      y: 32,
      'font-size': 17,
      'font-weight': 600,
      ...painted('ink', 'fill'),
    }),
    text(state.replace('_', ' '), {
      x: RIGHT,
      y: 32,
      'text-anchor': 'end',
      'font-size': 15,
      'font-weight': 600,
      ...painted(color, 'fill'),
    }),
    runs(LEFT, 52, [{ content: `${project} / ${environment}${since}`, color: 'faint' }]),
    ...sentence.map((line, index) => runs(LEFT, 52 + LINE_HEIGHT * (index + 1), [{ content: line, color: 'ink' }])),
  ].join('');
}

function timeAxis(x: TimeScale, { left, right, bottom }: Box): string {
  const [from, to] = x.domain();
  const span = (to?.getTime() ?? 0) - (from?.getTime() ?? 0);
  const format = x.tickFormat(7, timeFormat(span));
  const ticks = x.ticks(7).map((at) =>
    text(format(at), {
      x: x(at),
      y: bottom + 18,
      'text-anchor': 'middle',
      'font-size': 11,
      ...painted('faint', 'fill'),
    }),
  );
  return (
    element('line', { x1: left, x2: right, y1: bottom, y2: bottom, ...painted('faint', 'stroke') }) + ticks.join('')
  );
}

/**
 * A rollout as an SVG document of its own: percentage, both arms' rates with their intervals, evidence against its limits, and every
 * event. Holds no script and refers to nothing outside; light or dark as the reader has chosen.
 */
export function rolloutChart(course: RolloutCourse): string {
  const { rollout, guardrails, ticks } = course;
  const { from, to } = timesOf(course);
  // What happened while it waited for its date lies before the picture.
  const events = course.events.filter(({ at }) => Date.parse(at) >= from);
  const x = scaleUtc([from, to], [LEFT, RIGHT]);
  const said = events.at(-1)?.detail;
  const sentence = wrapped(rollout.endedAt === null || said === null || said === undefined ? rollout.progress : said);
  const shown = guardrails.slice(0, GUARDRAIL_COLORS.length);
  const rated = shown.flatMap((check) => {
    const guardrail = rollout.plan.guardrails[check.guardrail];
    return guardrail !== undefined && hasRates(guardrail) ? [{ check, guardrail }] : [];
  });
  const top = 52 + LINE_HEIGHT * sentence.length + LABELS_HEIGHT + 6;
  const boxes = Array.from({ length: rated.length + 2 }, (_, index): Box => {
    const above = index === 0 ? 0 : FIRST_HEIGHT + GAP + TITLE_HEIGHT + (index - 1) * (HEIGHT + GAP + TITLE_HEIGHT);
    const start = top + TITLE_HEIGHT + above;
    return { left: LEFT, right: RIGHT, top: start, bottom: start + (index === 0 ? FIRST_HEIGHT : HEIGHT) };
  });
  const [first, ...others] = boxes;
  const last = others.at(-1);
  if (first === undefined || last === undefined) throw new RangeError('A picture has two panels at least.');
  const height = last.bottom + 32;
  const id = `fledge-${rollout.id.slice(0, 8)}`;
  const clips = others.map((box, index) => clipPath(`${id}-${index}`, box));
  const rates = rated.map(({ check, guardrail }, index) =>
    ratePanel(
      others[index] ?? last,
      x,
      guardrail,
      check,
      ratesOf(ticks, check.guardrail, from, MOST_RATES),
      `${id}-${index}`,
    ),
  );
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      width: WIDTH,
      height,
      viewBox: `0 0 ${WIDTH} ${height}`,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-description`,
      'font-family': 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif',
    },
    element(
      'title',
      { id: `${id}-title` },
      escapeText(`Rollout of ${rollout.flag}: ${rollout.state.replace('_', ' ')}`),
    ),
    element('desc', { id: `${id}-description` }, escapeText(description(course, sentence.join(' ')))),
    element('style', {}, STYLE),
    element('defs', {}, ...clips),
    element('rect', { width: WIDTH, height, ...painted('paper', 'fill') }),
    header(course, sentence),
    percentagePanel(first, x, events),
    ...rates,
    evidencePanel(last, x, shown, ticks),
    eventMarks(boxes, first.top - TITLE_HEIGHT - 6, x, events),
    timeAxis(x, last),
  );
}

const clipPath = (id: string, { left, right, top, bottom }: Box): string =>
  element('clipPath', { id }, element('rect', { x: left, y: top, width: right - left, height: bottom - top }));
