import type { Answer } from './flags.js';

type Count = { n: number };

/** What one flag served; the two answers seen last lead to their counts without a look at what they say. */
type Tally = {
  readonly variants: Map<string | null, Count>;
  last: Answer | undefined;
  lastCount: Count;
  other: Answer | undefined;
  otherCount: Count;
};

/** How often each flag served each variant since the last report; as large as the snapshot's flags at most. */
export class ExposureCounts {
  #flags = new Map<string, Tally>();

  add(key: string, answer: Answer): void {
    const tally = this.#flags.get(key);
    if (tally?.last === answer) tally.lastCount.n++;
    else if (tally?.other === answer) tally.otherCount.n++;
    else this.#addNew(key, tally, answer);
  }

  /** What was counted, with a variant of null for the caller's default; begins anew. */
  take(): { readonly flag: string; readonly variant: string | null; readonly n: number }[] {
    const counted = [...this.#flags].flatMap(([flag, { variants }]) =>
      [...variants].map(([variant, { n }]) => ({ flag, variant, n })),
    );
    this.#flags = new Map();
    return counted;
  }

  #addNew(key: string, known: Tally | undefined, answer: Answer): void {
    const { errorCode, variant = null } = answer;
    // Without a flag there is nothing to be exposed to, and of keys that do not exist there is no end.
    if (errorCode === 'FLAG_NOT_FOUND' || errorCode === 'PROVIDER_NOT_READY' || errorCode === 'GENERAL') return;
    const none = { n: 0 };
    const tally = known ?? {
      variants: new Map(),
      last: undefined,
      lastCount: none,
      other: undefined,
      otherCount: none,
    };
    if (!known) this.#flags.set(key, tally);
    let count = tally.variants.get(variant);
    if (!count) tally.variants.set(variant, (count = { n: 0 }));
    count.n++;
    tally.other = tally.last;
    tally.otherCount = tally.lastCount;
    tally.last = answer;
    tally.lastCount = count;
  }
}
