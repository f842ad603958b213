/** The variables a process is started with. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads settings from an environment, and collects what is wrong with them instead of stopping at the first. */
export class Reader {
  constructor(
    private readonly env: Environment,
    private readonly problems: string[],
  ) {}

  /** The value, or undefined when the variable is absent or empty. `expected` answers what was expected, for a value that is not it. */
  text(name: string, expected?: (value: string) => string | undefined): string | undefined {
    const value = this.env[name];
    if (value === undefined || value === '') return undefined;
    const wanted = expected?.(value);
    if (wanted === undefined) return value;
    this.problem(name, wanted);
    return undefined;
  }

  integer(name: string, fallback: number, least: number, most: number): number {
    const value = this.text(name, (text) =>
      /^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most
        ? undefined
        : `a whole number from ${least} to ${most}`,
    );
    return value === undefined ? fallback : Number(value);
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name, (text) =>
      (choices as readonly string[]).includes(text) ? undefined : `one of ${choices.join(', ')}`,
    );
    return choices.find((choice) => choice === value);
  }

  /** What stands between commas. */
  list(name: string, expected: (item: string) => string | undefined): readonly string[] {
    const items = (this.text(name) ?? '').split(',').map((item) => item.trim());
    const given = items.filter((item) => item !== '');
    const wanted = given.map(expected).find((wrong) => wrong !== undefined);
    if (wanted !== undefined) this.problem(name, wanted);
    return given;
  }

  /** The value itself is not repeated: it may be a secret. */
  problem(name: string, expected: string): void {
    this.problems.push(`${name}: expected ${expected}.`);
  }
}
