import fc from 'fast-check';

/**
 * Property tests draw the same cases in every run, so that a change is judged by what it changed. Another seed looks
 * elsewhere: `FLEDGE_PROPERTY_SEED=$RANDOM npm test`.
 */
fc.configureGlobal({ seed: Number(process.env['FLEDGE_PROPERTY_SEED'] ?? 20_261_125) });
