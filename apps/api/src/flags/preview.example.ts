const share = (units: number, part: number, error: number) => ({ units, share: part, error });
const NOBODY = share(0, 0, 0);

const UNMOVED = {
  units: 100_000,
  variants: ['off'],
  matrix: [[100_000]],
  moved: NOBODY,
  minimum: 0,
  switched: NOBODY,
  moves: [],
};

const GROWS = {
  units: 100_000,
  variants: ['off', 'on'],
  matrix: [
    [50_084, 24_804],
    [0, 25_112],
  ],
  moved: share(24_804, 0.24804, 0.00273),
  minimum: 0.25,
  switched: NOBODY,
  moves: [{ from: 'off', to: 'on', ...share(24_804, 0.24804, 0.00273) }],
};

/** What is answered when a gate for Germany goes from 25 % to 50 %; a test holds it equal to the real answer. */
export const PREVIEW_EXAMPLE = {
  problems: [],
  warnings: [],
  diff: ['germany: gate 25 % → 50 %'],
  whoMoves: {
    sample: 100_000,
    everyone: null,
    audiences: [
      { meets: [], movement: UNMOVED },
      { meets: ['country in "DE"'], movement: GROWS },
    ],
    more: false,
    rules: [
      { rule: 'germany', conditions: 'country in "DE"', movement: GROWS },
      { rule: null, movement: UNMOVED },
    ],
  },
  text: [
    'germany, of those it is for: 24.8 % ± 0.27 % move, at least 25 % have to: off → on 24.8 %',
    'germany, of those it is for: nobody goes from one treatment to another',
    'whom no rule is for: nobody moves',
  ].join('\n'),
};
