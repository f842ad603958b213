import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuMs } from './measure.mjs';

/** True where wrk can be run: a load generator written in JavaScript would itself be the limit. */
export const hasWrk = () => spawnSync('wrk', ['-v']).error === undefined;

/**
 * Ten connections that ask for a URL as often as they are answered; with a body they POST it. Requests per second, and
 * per second of processor time of the server: what both would do on a core of their own.
 */
export function wrk(url, pid, { headers = {}, body, seconds = 5, connections = 10 }) {
  const directory = mkdtempSync(join(tmpdir(), 'wrk-'));
  try {
    const script = join(directory, 'request.lua');
    if (body !== undefined) writeFileSync(script, `wrk.method = 'POST'\nwrk.body = ${JSON.stringify(body)}\n`);
    const options = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const scripted = body === undefined ? [] : ['-s', script];
    const before = cpuMs(pid);
    const { stdout } = spawnSync('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, ...scripted, ...options, url], {
      encoding: 'utf8',
    });
    const cpu = cpuMs(pid) - before;
    return {
      perSecond: Math.round(Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])),
      perCpu: Math.round((Number(/(\d+) requests in/.exec(stdout)?.[1]) * 1_000) / cpu),
      refused: Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
