import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { FledgeClient } from '@fledge/sdk';
import { until } from './wait.js';
import { sdkProcesses, type SdkProcesses } from './sdk-process.js';

/** So many users return all the time: those whom the canary did not drive away. */
const REGULARS = 150;
/** And after so many of their visits somebody comes who gets the canary. */
const VISITS = 100;

/** An application in a process of its own that dies, as of a segmentation fault, whenever the canary's code runs; and is started again. */
export class CrashingApplication {
  readonly #processes: SdkProcesses;
  readonly #code: string;
  #child: ChildProcess | undefined;
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();
  crashes = 0;

  private constructor(processes: SdkProcesses, code: string) {
    this.#processes = processes;
    this.#code = code;
  }

  /** `flags` knows who gets the canary. */
  static async start(options: object, flag: string, flags: FledgeClient): Promise<CrashingApplication> {
    const users = Array.from({ length: 4 * REGULARS }, (_, n) => `visitor-${n}`);
    const gets = (variant: string): string[] =>
      users.filter((targetingKey) => flags.evaluateAll({ targetingKey })[flag]?.variant === variant);
    await until(() => gets('on').length > 0, 'somebody gets the canary');
    const code = `
      const flags = createClient(${JSON.stringify({ ...options, report: { intervalMs: 300 } })});
      await flags.ready({ timeoutMs: 30_000 });
      const regulars = ${JSON.stringify(gets('off').slice(0, REGULARS))};
      const other = ${JSON.stringify(gets('on')[0])};
      for (let visit = 0; ; visit++) {
        const targetingKey = visit % ${VISITS} === ${VISITS} - 1 ? other : regulars[Math.floor(Math.random() * regulars.length)];
        flags.run('${flag}', { targetingKey }, { off: () => undefined, on: () => process.kill(process.pid, 'SIGKILL') });
        await new Promise((resolve) => setTimeout(resolve, 25));
      }`;
    const application = new CrashingApplication(await sdkProcesses(), code);
    application.#running = application.#run();
    return application;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#child?.kill('SIGKILL');
    await this.#running;
    await this.#processes.remove();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#child = await this.#processes.start(this.#code);
      await once(this.#child, 'exit');
      this.crashes += 1;
    }
  }
}
