import type { Cohort } from './cohort.js';
import type { Flag } from './flag.js';

/** Everything an evaluator needs to know about one environment at one version. */
export type Snapshot = {
  readonly format?: 1;
  readonly project: string;
  readonly environment: string;
  /** Counts the environment's changes; grows by one with each. */
  readonly version: number;
  /** `<version>-<8 random characters>`: never used twice, not even after a restored backup. With an ending where a key's tags open a part of the flags alone. */
  readonly revision?: string;
  /** Take this snapshot even though its version may be lower: history was rewritten. */
  readonly reset?: true;
  readonly flags: Readonly<Record<string, Flag>>;
  readonly cohorts: Readonly<Record<string, Cohort>>;
};

/** What turns the snapshot of version `from` into that of `version`. */
export type Change = {
  readonly from: number;
  readonly version: number;
  readonly revision: string;
  readonly flags?: Readonly<Record<string, Flag>>;
  readonly cohorts?: Readonly<Record<string, Cohort | MembersChange>>;
  readonly removed?: { readonly flags?: readonly string[]; readonly cohorts?: readonly string[] };
};

/** A change of a cohort's members alone, so that one member more sends one member. */
export type MembersChange = {
  readonly included?: { readonly add?: readonly string[]; readonly remove?: readonly string[] };
  readonly excluded?: { readonly add?: readonly string[]; readonly remove?: readonly string[] };
};
