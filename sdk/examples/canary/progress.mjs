const WIDTH = 10;
const count = new Intl.NumberFormat('en');

const seconds = (ms) => `${Math.round(ms / 1_000)} s`;
const percent = ({ n, k }) => (n === 0 ? '–' : `${((100 * k) / n).toFixed(1)} %`);

/** A bet's stake, from its logarithm. */
function stake(ln) {
  if (ln > Math.log(1e6)) return `10^${Math.floor(ln / Math.LN10)}`;
  return ln < Math.log(0.01) ? '0.01' : count.format(Number(Math.exp(ln).toPrecision(2)));
}

function bar(percentage) {
  const filled = Math.round((percentage / 100) * WIDTH);
  return '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
}

/** "errors 10.2 % vs 2.1 %, evidence 12 of 40": what the guardrail has seen of both arms, and the bet against the canary. */
function guardrailText({ name, canary, control, logE, limit }) {
  if (canary.n === 0 || logE === null) return `${name} –`;
  return `${name} ${percent(canary)} vs ${percent(control)}, evidence ${stake(logE)} of ${stake(limit)}`;
}

function whereText({ state, phase, stage, bakedMs, plan }) {
  if (state !== 'running') return state.replace('_', ' ');
  return phase === 'baking' ? `baked ${seconds(bakedMs)} of ${plan.stages[stage].minBake}` : phase.replace('_', ' ');
}

/** One line: where the rollout stands, and what speaks for and against it. */
export function progressLine(rollout, { guardrails }) {
  const { stage, percentage, samples, reasons, state } = rollout;
  const waits = state === 'running' ? reasons.filter((reason) => reason !== 'baking') : [];
  return [
    `${bar(percentage)} ${String(percentage).padStart(3)} %  stage ${stage}, ${whereText(rollout)}`,
    `${count.format(samples.requests)} requests${samples.units > 0 ? `, ${count.format(samples.units)} users` : ''}`,
    ...guardrails.map(guardrailText),
    ...(waits.length === 0 ? [] : [`waits: ${waits.join(', ')}`]),
  ].join(' · ');
}

/** Shows a line that is replaced by the next on a terminal; elsewhere a line of its own whenever something else is to be said. */
export class Progress {
  #out;
  #began = performance.now();
  #last;

  constructor(out) {
    this.#out = out;
  }

  /** `moment` names what the line is about: only where it differs from the last one is a new line begun. */
  show(moment, text) {
    const isNew = moment !== this.#last;
    if (!this.#out.isTTY && !isNew) return;
    const time = seconds(performance.now() - this.#began).padStart(6);
    const line = `${time}  ${text}`;
    if (!this.#out.isTTY) this.#out.write(`${line}\n`);
    else {
      // A line that wraps could not be taken back.
      const fits = line.length < this.#out.columns ? line : `${line.slice(0, this.#out.columns - 2)}…`;
      this.#out.write(`${isNew && this.#last !== undefined ? '\n' : '\r\u001b[K'}${fits}`);
    }
    this.#last = moment;
  }

  end() {
    if (this.#out.isTTY && this.#last !== undefined) this.#out.write('\n');
  }
}
