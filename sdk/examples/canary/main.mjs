// `npm run demo:canary`: a shop with a new checkout that may be broken, and a rollout that finds out.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from '@fledge/sdk';
import { Progress, progressLine } from './progress.mjs';
import { Hint, Service } from './service.mjs';
import { FAULT_NAMES, Shop } from './shop.mjs';

const PROJECT = 'canary-demo';
const FLAG = 'new-checkout';
const PLACE = `/projects/${PROJECT}/environments/production`;

/** As the template "quick", and quicker, so that nobody waits for long: --plan quick takes some six minutes. */
const SHORT = {
  stages: [
    { percentage: 10, minBake: '30s', minSamples: { requests: 100, units: 20 } },
    { percentage: 50, minBake: '20s', minSamples: { requests: 100, units: 20 } },
    { percentage: 100 },
  ],
  warmup: '0s',
  watch: '0s',
  window: '10s',
};

function readArguments() {
  const { values } = parseArgs({
    options: {
      fault: { type: 'string', default: 'errors' },
      plan: { type: 'string' },
      url: { type: 'string', default: process.env.FLEDGE_URL ?? `http://localhost:${process.env.PORT ?? 4000}` },
    },
  });
  if (!FAULT_NAMES.includes(values.fault))
    throw new Hint(`--fault ${values.fault}: expected ${FAULT_NAMES.join(', ')}.`);
  return values;
}

/** The project, the flag as it was at first, and a key: whatever an earlier run has left behind. */
async function prepare(service) {
  await service.must('POST', '/projects', { key: PROJECT, name: 'Canary demo' }, 409);
  await service.must('POST', `/projects/${PROJECT}/environments`, { key: 'production' }, 409);
  await service.must('POST', `/projects/${PROJECT}/flags`, { key: FLAG, type: 'boolean' }, 409);
  // Switching a flag off ends its rollout, if there is one that lives.
  await service.must('POST', `${PLACE}/flags/${FLAG}/disable`, { comment: 'The demo begins anew.' });
  return service.must('POST', '/tokens', {
    name: 'canary demo',
    kind: 'sdk',
    project: PROJECT,
    environment: 'production',
  });
}

const OVER = new Set(['completed', 'rolled_back', 'cancelled']);

/** Shows how the rollout goes until it is over, and answers how it ended. */
async function follow(service, path, progress) {
  for (;;) {
    const [rollout, verdict] = await Promise.all([service.must('GET', path), service.must('GET', `${path}/verdict`)]);
    const figures = verdict.guardrails.map(({ canary }) => canary.n).join();
    progress.show(
      `${rollout.state} ${rollout.stage} ${process.stdout.isTTY ? '' : figures}`,
      progressLine(rollout, verdict),
    );
    if (OVER.has(rollout.state)) return rollout;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** What it came to, in sentences. */
async function conclude(service, path, shop) {
  const events = await service.must('GET', `${path}/events?limit=200`);
  const [last] = events.items.slice(-1);
  const { requests, firstBadAt, lastAt } = shop.canary;
  const lines = [`${last.type === 'rolled_back' ? 'Rolled back' : 'Completed'}: ${last.detail}`];
  if (last.type === 'rolled_back')
    lines.push(
      `From the first bad request to the last user back: ${((lastAt - firstBadAt) / 1_000).toFixed(1)} s; ` +
        `${requests} of ${shop.requests} requests met the new checkout.`,
    );
  return lines;
}

async function savePicture(service, path) {
  const file = join(process.env.FLEDGE_DATA_DIR ?? '.fledge', 'canary-demo.svg');
  const { status, answer } = await service.ask('GET', `${path}/chart.svg`);
  if (status !== 200) return [];
  return writeFile(file, answer).then(
    () => [`The picture of it: ${file}`],
    () => [],
  );
}

async function main() {
  const { fault, plan, url } = readArguments();
  const service = await Service.find(url);
  const key = await prepare(service);
  // Reports go out every 10 s by default; here somebody is waiting.
  const flags = createClient({ url, sdkKey: key.token, report: { intervalMs: 1_000 } });
  const shop = new Shop(flags, fault);
  const progress = new Progress(process.stdout);
  const say = (line) => process.stdout.write(`${line}\n`);
  try {
    await flags.ready({ timeoutMs: 10_000 });
    shop.open();
    const rollout = await service.must('POST', `${PLACE}/rollouts`, {
      flag: FLAG,
      canary: 'on',
      baseline: 'off',
      enable: true,
      plan: plan ?? SHORT,
      comment: `demo, fault: ${fault}`,
    });
    const path = `${PLACE}/rollouts/${rollout.id}`;
    say(`A shop with 300 checkouts a second begins to roll out its new checkout; fault: ${fault}.`);
    say(`${url}/api/v1${path}\n`);
    const end = await follow(service, path, progress);
    progress.end();
    // Until the last application has heard of it.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    for (const line of ['', ...(await conclude(service, path, shop)), ...(await savePicture(service, path))]) say(line);
    process.exitCode = end.state === (fault === 'none' ? 'completed' : 'rolled_back') ? 0 : 1;
  } finally {
    shop.close();
    await flags.close();
    await service.ask('DELETE', `/tokens/${key.id}`);
  }
}

await main().catch((error) => {
  if (!(error instanceof Hint)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
