import { readFileSync } from 'node:fs';

/** Processor time of a process so far, in milliseconds (Linux). */
export function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory of a process in MiB (Linux). */
export const residentMiB = (pid) =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024);

/** To a tenth. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(10 * sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]) / 10;
}

export async function until(ask) {
  for (;;) {
    if (await ask().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The address that a process prints when it listens. */
export const portOf = (child, pattern) =>
  new Promise((resolve, reject) => {
    let printed = '';
    child.stdout.on('data', (chunk) => {
      printed += String(chunk);
      const found = pattern.exec(printed)?.[0];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', () => reject(new Error(`ended:\n${printed}`)));
  });
