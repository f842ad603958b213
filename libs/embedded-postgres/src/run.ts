import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';

/** A program to start, with the identity it starts under where that is not ours. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
}

/** How a program ended; `error` is set when it could not be started at all. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly error?: NodeJS.ErrnoException;
}

const OUTPUT_LIMIT = 64 * 1024;

/** Runs a program to its end in its own process group, so that Ctrl-C does not reach it; never throws. */
export function run(command: Command, inherited?: number): Promise<Ended> {
  return new Promise((resolve) => {
    let output = '';
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-OUTPUT_LIMIT);
    };
    let child: ChildProcess;
    try {
      child = spawn(command.file, command.args, {
        ...identityOf(command),
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe', ...(inherited === undefined ? [] : [inherited])],
      });
    } catch (error) {
      // Some refusals (another user without the right to it) are thrown, not emitted.
      resolve({ code: null, signal: null, output, error: error instanceof Error ? error : new Error(String(error)) });
      return;
    }
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.once('error', (error) => resolve({ code: null, signal: null, output, error }));
    child.once('close', (code, signal) => resolve({ code, signal, output }));
  });
}

/** The part of `spawn`'s options that every child of this package shares. */
export function identityOf(command: Command): {
  cwd: string;
  env: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
} {
  return {
    // Our own directory may be unreadable for the child's user, who then could not even start.
    cwd: process.platform === 'win32' ? dirname(command.file) : '/',
    env: command.env,
    ...(command.uid === undefined ? {} : { uid: command.uid }),
    ...(command.gid === undefined ? {} : { gid: command.gid }),
  };
}

/** One line that tells a person how a program ended. */
export function describeEnd(ended: Omit<Ended, 'output'>): string {
  if (ended.error) return ended.error.message;
  return ended.signal === null ? `exit code ${ended.code ?? 'unknown'}` : `signal ${ended.signal}`;
}
