#!/usr/bin/env node
// What docs/scale.md says of fleets that no one machine has: the measured slopes (server/slopes.mjs), multiplied, and the SDK's own
// backoff let loose a million times. Needs no server and no time.
//   node test/bench/scale/simulate.mjs
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    'stream-kb': { type: 'string', default: '11' },
    'open-ms': { type: 'string', default: '0.4' },
    'event-us': { type: 'string', default: '13' },
    'event-bytes': { type: 'string', default: '285' },
    'report-ms': { type: 'string', default: '0.6' },
    'idle-mib': { type: 'string', default: '140' },
    'idle-transactions': { type: 'string', default: '3.5' },
  },
});
const slope = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));

const STREAMS_PER_REPLICA = 10_000;
const REPORT_EVERY_S = 10;
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [500, 30_000];
const SECONDS = 60;

/** Each step: SDKs connected, environments they are spread over, changes an hour in each of them. */
const steps = [
  { name: 'a team', sdks: 200, environments: 3, changesAnHour: 10 },
  { name: 'a company', sdks: 5_000, environments: 30, changesAnHour: 10 },
  { name: 'a large company', sdks: 100_000, environments: 300, changesAnHour: 20 },
  { name: 'a million SDKs', sdks: 1_000_000, environments: 1_000, changesAnHour: 20 },
  { name: 'a million SDKs of one environment', sdks: 1_000_000, environments: 1, changesAnHour: 60 },
];

console.log('Slopes:', JSON.stringify(slope));
for (const { name, sdks, environments, changesAnHour } of steps) {
  const replicas = Math.max(2, Math.ceil(sdks / STREAMS_PER_REPLICA));
  const streams = sdks / replicas;
  const changes = (environments * changesAnHour) / 3_600;
  // A change goes to the SDKs of its environment, which are spread over all replicas.
  const events = (changes * sdks) / environments / replicas;
  const reports = sdks / REPORT_EVERY_S / replicas;
  const rows = {
    replicas,
    'streams each': streams,
    'MiB each': slope['idle-mib'] + (streams * slope['stream-kb']) / 1_024,
    'a change in ms of processor time each': ((sdks / environments / replicas) * slope['event-us']) / 1_000,
    'events, % of a core each': (events * slope['event-us']) / 1e4,
    'kB/s out each': (events * slope['event-bytes']) / 1_024,
    'reports/s each': reports,
    'reports, % of a core each': (reports * slope['report-ms']) / 10,
    'reports/s in all': reports * replicas,
    'transactions/s while idle': replicas * slope['idle-transactions'],
    'reads of the log/s': changes * replicas,
  };
  console.log(
    `\n${name}: ${sdks.toLocaleString('en')} SDKs, ${environments} environments, ${changesAnHour} changes an hour in each`,
  );
  for (const [what, value] of Object.entries(rows)) console.log(`  ${what.padEnd(40)}${format(value)}`);
}

console.log('\nSDKs that come back, most in a second, of a million on 100 replicas:');
console.log(
  `  one replica is killed (10,000 streams): ${format(peak(10_000, [0]))} to the other 99, ${format(peak(10_000, [0]) / 99)} each`,
);
for (const away of [5, 60, 600]) {
  const most = returning(1_000_000, away);
  console.log(
    `  all are away for ${String(away).padEnd(4)} s: ${format(most)} to all 100, ${format(most / 100)} each: ${format(((most / 100) * slope['open-ms']) / 10)} % of a core`,
  );
}

function format(value) {
  return Number(value.toPrecision(3)).toLocaleString('en');
}

/** The most in one second when everybody tries once, at random within the first wait. */
function peak(count, [after]) {
  return Math.max(...perSecond(Array.from({ length: count }, () => after + Math.random() * FIRST_WAIT_MS)));
}

/** Full jitter: the n-th wait is anything up to twice the one before, to half a minute. The first try after the outage succeeds. */
function returning(count, awaySeconds) {
  const arrivals = Array.from({ length: count }, () => {
    let at = 0;
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      at += Math.random() * wait;
      if (at >= awaySeconds * 1_000) return at - awaySeconds * 1_000;
    }
  });
  return Math.max(...perSecond(arrivals));
}

function perSecond(arrivals) {
  const counts = new Array(SECONDS).fill(0);
  for (const at of arrivals) counts[Math.min(SECONDS - 1, Math.floor(at / 1_000))] += 1;
  return counts;
}
