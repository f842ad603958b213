import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until the answer is true, or fails with what was waited for; a question that throws counts as "not yet". */
export async function until(
  ask: () => boolean | Promise<boolean>,
  what: string,
  ms = 10_000,
  everyMs = 20,
): Promise<void> {
  const end = performance.now() + ms;
  let trouble: unknown;
  for (;;) {
    try {
      if (await ask()) return;
      trouble = undefined;
    } catch (error) {
      trouble = error;
    }
    if (performance.now() > end) throw new Error(`gave up after ${ms} ms waiting until ${what}`, { cause: trouble });
    await sleep(everyMs);
  }
}
