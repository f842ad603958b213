// One engine, one question, one process: nothing that another engine or scenario taught the compiler spoils it.
//   node --expose-gc measure.mjs <engine> <scenario | load | heap> <rounds>
// Writes one JSON object: the ratio to the reference of every round.
import { CONTEXTS, ids, scenarios, snapshotOf } from './scenarios.mjs';
import { reference } from './reference.mjs';

const [engineName, question, rounds] = process.argv.slice(2);
const { engine } = await import(`./engines/${engineName}.mjs`);

const BATCH_MS = 5;
const LOADED_FLAGS = 10_000;

/** Processor time of this process in nanoseconds: what others do on the machine is not in it, what garbage costs is. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
}

/** A loop with compiled code of its own: one that is shared would call everything it is given by way of a pointer. */
const loopOf = (call) =>
  new Function(
    'call',
    'from',
    'to',
    'let truthy = 0; for (let i = from; i < to; i++) if (call(i)) truthy++; return truthy;',
  ).bind(undefined, call);

let sink = 0;
function elapsed(loop, from, calls) {
  const start = processorTime();
  sink += loop(from, from + calls);
  return processorTime() - start;
}

/** How many calls take about as long as a batch shall: twice in a row, as the compiler's own time is counted too. */
function calibrate(loop, least) {
  let calls = least;
  while (Math.min(elapsed(loop, 0, calls), elapsed(loop, 0, calls)) < BATCH_MS * 1e6) calls *= 2;
  return calls;
}

/** The reference and the candidate take turns, so that whatever else the machine does hits both. */
async function evaluation(scenario) {
  const call = await engine.prepare(scenario);
  const valueOf = (i) => (scenario.ask === 'all' ? engine.values(call(i)) : call(i));
  if (!scenario.holds(valueOf))
    throw new Error(`${engine.name}: ${scenario.name}: the answers are not those asked for`);
  const [base, loop] = [loopOf(reference(ids)), loopOf(call)];
  const [least, leastOfAll] = [CONTEXTS, Math.ceil(CONTEXTS / (scenario.per ?? 1))];
  // The second calibration counts: by then both are compiled.
  calibrate(base, least);
  calibrate(loop, leastOfAll);
  const [baseCalls, calls] = [calibrate(base, least), calibrate(loop, leastOfAll)];
  const ratios = [];
  let nanoseconds = 0;
  for (let round = 0; round < rounds; round++) {
    const perBase = elapsed(base, round * baseCalls, baseCalls) / baseCalls;
    const perCall = elapsed(loop, round * calls, calls) / calls / (scenario.per ?? 1);
    ratios.push(perCall / perBase);
    nanoseconds += perBase / rounds;
  }
  return { ratios, nanoseconds };
}

function load() {
  const text = engine.encode(snapshotOf(LOADED_FLAGS));
  const timed = (work) => {
    globalThis.gc();
    const start = processorTime();
    if (work()) sink++;
    return processorTime() - start;
  };
  const parse = () => JSON.parse(text);
  const whole = () => engine.load(JSON.parse(text));
  const ratios = [];
  for (let round = -5; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? [parse, whole] : [whole, parse];
    const [one, two] = [timed(first), timed(second)];
    if (round >= 0) ratios.push(first === parse ? two / one : one / two);
  }
  return { ratios };
}

/** Bytes per flag that an engine keeps beyond the parsed document, before any flag was evaluated. */
async function heap() {
  const text = engine.encode(snapshotOf(LOADED_FLAGS));
  const used = async () => {
    // Weak references and finalizers take more than one turn.
    for (let i = 0; i < 3; i++) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return process.memoryUsage().heapUsed;
  };
  engine.load(JSON.parse(engine.encode(snapshotOf(10))));
  const document = JSON.parse(text);
  const before = await used();
  const loaded = engine.load(document);
  const after = await used();
  if (loaded === undefined || document === undefined) throw new Error('nothing was loaded');
  return { ratios: [(after - before) / LOADED_FLAGS] };
}

const scenario = scenarios.find(({ name }) => name === question);
const measured = question === 'load' ? load() : question === 'heap' ? await heap() : await evaluation(scenario);
process.stdout.write(JSON.stringify({ name: engine.name, version: engine.version, ...measured, sink }));
process.exit(0);
