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
function loopOf(call, isAsync = false) {
  const body = (answer) => `let truthy = 0; for (let i = from; i < to; i++) if (${answer}) truthy++; return truthy;`;
  const AsyncFunction = (async () => undefined).constructor;
  const loop = isAsync
    ? new AsyncFunction('call', 'from', 'to', body('await call(i)'))
    : new Function('call', 'from', 'to', body('call(i)'));
  return loop.bind(undefined, call);
}

let sink = 0;
async function elapsed(loop, from, calls) {
  const start = processorTime();
  const truthy = loop(from, from + calls);
  // Only what answers later is waited for.
  sink += typeof truthy === 'number' ? truthy : await truthy;
  return processorTime() - start;
}

/** How many calls take about as long as a batch shall: twice in a row, as the compiler's own time is counted too. */
async function calibrate(loop, least) {
  let calls = least;
  while (Math.min(await elapsed(loop, 0, calls), await elapsed(loop, 0, calls)) < BATCH_MS * 1e6) calls *= 2;
  return calls;
}

/** The reference and the candidate take turns, so that whatever else the machine does hits both. */
async function evaluation(scenario) {
  const call = await engine.prepare(scenario);
  const valuesOf = engine.values ?? ((all) => all);
  const answers = [];
  for (let i = 0; i < (scenario.asked ?? CONTEXTS); i++) {
    const answer = await call(i);
    answers.push(scenario.ask === 'all' ? valuesOf(answer) : answer);
  }
  if (!scenario.holds((i) => answers[i]))
    throw new Error(`${engine.name}: ${scenario.name}: the answers are not those asked for`);
  const [base, loop] = [loopOf(reference(ids)), loopOf(call, engine.isAsync)];
  const [least, leastOfAll] = [CONTEXTS, Math.ceil(CONTEXTS / (scenario.per ?? 1))];
  // The second calibration counts: by then both are compiled.
  await calibrate(base, least);
  await calibrate(loop, leastOfAll);
  const [baseCalls, calls] = [await calibrate(base, least), await calibrate(loop, leastOfAll)];
  const ratios = [];
  let nanoseconds = 0;
  for (let round = 0; round < rounds; round++) {
    const perBase = (await elapsed(base, round * baseCalls, baseCalls)) / baseCalls;
    const perCall = (await elapsed(loop, round * calls, calls)) / calls / (scenario.per ?? 1);
    ratios.push(perCall / perBase);
    nanoseconds += perBase / rounds;
  }
  return { ratios, nanoseconds };
}

async function load() {
  const text = engine.encode(snapshotOf(LOADED_FLAGS));
  const timed = async (work) => {
    globalThis.gc();
    const start = processorTime();
    if (await work()) sink++;
    return processorTime() - start;
  };
  const parse = () => JSON.parse(text);
  const whole = () => engine.load(text);
  const ratios = [];
  for (let round = -3; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? [parse, whole] : [whole, parse];
    const [one, two] = [await timed(first), await timed(second)];
    if (round >= 0) ratios.push(first === parse ? two / one : one / two);
  }
  return { ratios };
}

/** Bytes per flag that an engine keeps beyond what a bare JSON.parse of its text keeps, before any flag was evaluated. */
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
  const kept = async (make) => {
    const before = await used();
    const made = await make();
    const after = await used();
    if (made === undefined) throw new Error('nothing was made');
    return after - before;
  };
  // What both need once, whatever the document.
  await engine.load(engine.encode(snapshotOf(10)));
  JSON.parse(text);
  const document = await kept(() => JSON.parse(text));
  const loaded = await kept(() => engine.load(text));
  return { ratios: [(loaded - document) / LOADED_FLAGS] };
}

const scenario = scenarios.find(({ name }) => name === question);
const measured = question === 'load' ? await load() : question === 'heap' ? await heap() : await evaluation(scenario);
process.stdout.write(JSON.stringify({ name: engine.name, version: engine.version, ...measured, sink }));
process.exit(0);
