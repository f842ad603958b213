// The text of docs/benchmarks.md, made of what was measured and nothing else.

const DIGITS = 3;

/** A value for people: three digits that count. */
function shown(value) {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(DIGITS)));
}

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const verdict = (holds) => (holds ? 'holds' : '**missed**');

/** The rows of one thing that several engines were asked, by engine. */
function grouped(rows, by) {
  const groups = new Map();
  for (const row of rows) groups.set(by(row), [...(groups.get(by(row)) ?? []), row]);
  return groups;
}

const isPeer = ({ engine }) => !engine.startsWith('Fledge');

/** What reporting may add to any evaluation, in references. */
const REPORTS_BAR = 0.5;

/** The most that reporting added to an evaluation; undefined when it was not measured. */
function reportsCost(byScenario) {
  const differences = byScenario.flatMap(([, measured]) => {
    const [off, on] = ['Fledge', 'Fledge, reports on'].map((name) => measured.find(({ engine }) => engine === name));
    return off === undefined || on === undefined || /^(?:load|heap)/.test(off.scenario) ? [] : [on.median - off.median];
  });
  return differences.length === 0 ? undefined : Math.max(...differences);
}

function evaluationText({ reference, rows }) {
  // Fledge first, then the peers.
  const engines = [...new Set(rows.map(({ engine }) => engine))].sort(
    (a, b) => Number(isPeer({ engine: a })) - Number(isPeer({ engine: b })),
  );
  const versions = new Map(rows.map(({ engine, version }) => [engine, version]));
  const unitOf = (scenario) => (scenario.startsWith('heap') ? ' B' : ' ×');
  const byScenario = [...grouped(rows, ({ scenario }) => scenario)];
  const summary = byScenario.map(([scenario, all]) => {
    const ours = all.find(({ engine }) => engine === 'Fledge');
    const best = all.filter(isPeer).toSorted((a, b) => a.median - b.median)[0];
    const ahead = ours.median > 0 && !scenario.startsWith('heap') ? `${shown(best.median / ours.median)} ×` : '';
    return [
      scenario,
      `${ours.bar}${unitOf(scenario)}`,
      `${shown(ours.median)}${unitOf(scenario)} (${shown(ours.low)}–${shown(ours.high)})`,
      verdict(ours.holds),
      best === undefined ? '' : `${best.engine}, ${shown(best.median)}${unitOf(scenario)}`,
      ahead,
    ];
  });
  const added = reportsCost(byScenario);
  if (added !== undefined)
    summary.push([
      'the evaluation rows with default reports on, at most',
      `+ ${REPORTS_BAR} ×`,
      `+ ${shown(Math.max(0, added))} ×`,
      verdict(added <= REPORTS_BAR),
      'not asked',
      '',
    ]);
  const all = byScenario.map(([scenario, measured]) => [
    scenario,
    ...engines.map((engine) => {
      const row = measured.find((one) => one.engine === engine);
      return row === undefined ? '' : `${shown(row.median)} (${shown(row.low)}–${shown(row.high)})`;
    }),
  ]);
  return `## Evaluation

Ratios to one murmur3 of a 36-character id and one comparison in the same process (${shown(reference.median)} ns here), medians and quartiles. Every engine answers offline, with its events off unless the row says otherwise, set up as its own documentation recommends; what it answers is checked before it is timed.

${table(['', 'bar', 'Fledge', '', 'fastest peer', 'it takes longer by'], summary)}

Everybody, as ratios to the reference (the last row: bytes):

${table(['', ...engines.map((engine) => `${engine} ${versions.get(engine)}`)], all)}
`;
}

function bundlesText(bundles) {
  const rows = bundles.map(({ name, version, does, minified, gzip, brotli, bar, problem }) => {
    const size = (bytes) => (bytes / 1_024).toFixed(1);
    const sizes = problem === undefined ? [size(minified), size(gzip), size(brotli)] : [problem, '', ''];
    return [
      `${name} ${version ?? ''}`.trim(),
      does,
      ...sizes,
      bar === undefined ? '' : `${bar} KiB: ${verdict(gzip <= bar * 1_024)}`,
    ];
  });
  return `## Size in a browser

KiB, bundled by esbuild for browsers. What misses the bar, and why, stands in [performance.md](performance.md).

${table(['', 'what it does', 'minified', 'gzip', 'brotli', 'bar (gzip)'], rows)}
`;
}

function movesText(moves) {
  const rows = [...grouped(moves, ({ engine }) => engine)].map(([engine, [one, other]]) => [
    `${engine} ${one.version}`,
    ...[one, other].map(({ ratio, share }) => `${ratio.toFixed(2)} × (${(share * 100).toFixed(1)} %)`),
    engine === 'Fledge' ? verdict(one.ratio <= one.bar && other.ratio <= other.bar) : '',
  ]);
  const [first, second] = moves;
  return `## Users moved by an edit

131,072 units; the ratio to the fewest that the edit could move.

${table(['', `${first.edit} (bar ${first.bar} ×)`, `${second.edit} (bar ${second.bar} ×)`, ''], rows)}
`;
}

function serverText(rows) {
  const cells = rows.map(({ of, what, value, unit, bar, atLeast, more }) => [
    of,
    what,
    `${shown(value)}${unit}`,
    bar === undefined ? '' : `${atLeast ? '≥' : '≤'} ${shown(bar)}${unit}`,
    bar === undefined ? '' : verdict(atLeast ? value >= bar : value <= bar),
    more,
  ]);
  return `## Server

Ratios to bare \`node:http\` sending a prepared buffer of the same size, by requests per second of processor time: what both would do on a core of their own.

${table(['', '', 'measured', 'bar', '', ''], cells)}
`;
}

/** The whole document. What was not measured is not in it. */
export function document({ machine, date, evaluation, bundles, moves, rows }) {
  const parts = [
    `# Side by side

Written by \`npm run bench\` on ${date}: ${machine}. How it measures: [test/bench](../test/bench/README.md). Times of one machine are not those of another; ratios nearly are.
`,
    evaluation && evaluationText(evaluation),
    bundles && bundlesText(bundles),
    moves && movesText(moves),
    rows.length > 0 && serverText(rows),
  ];
  return `${parts.filter(Boolean).join('\n')}`;
}
