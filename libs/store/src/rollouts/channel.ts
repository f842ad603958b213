/** The channel on which replicas hear that something happened to a rollout. A hint, never the truth. */
export const ROLLOUT_CHANNEL = 'fledge_rollout';
