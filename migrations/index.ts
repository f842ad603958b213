import { CreateFlags1764000000000 } from './1764000000000-create-flags.js';
import { CreateSecrets1764100000000 } from './1764100000000-create-secrets.js';
import { CreateRollouts1764200000000 } from './1764200000000-create-rollouts.js';
import { CreateTelemetry1764300000000 } from './1764300000000-create-telemetry.js';
import { GuardChanges1764400000000 } from './1764400000000-guard-changes.js';
import { AddPersonToToken1764500000000 } from './1764500000000-add-person-to-token.js';
import { CreateWebhooks1764700000000 } from './1764700000000-create-webhooks.js';
import { AddDetailAndGatesToRollout1764800000000 } from './1764800000000-add-detail-and-gates-to-rollout.js';

/** Every step of the schema, in order. A released step is never edited; the next one is appended. */
export const migrations = [
  CreateFlags1764000000000,
  CreateSecrets1764100000000,
  CreateRollouts1764200000000,
  CreateTelemetry1764300000000,
  GuardChanges1764400000000,
  AddPersonToToken1764500000000,
  CreateWebhooks1764700000000,
  AddDetailAndGatesToRollout1764800000000,
];
