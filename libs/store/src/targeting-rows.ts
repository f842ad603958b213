import type { Targeting } from './entities/targeting.entity.js';
import { derivedOf } from './surroundings.js';
import type { Tx } from './transaction.js';

type NewTargeting = { flagId: number; environmentId: number; document: Targeting; version: number };

/** Inserts targeting documents in one statement, however many there are. */
export async function insertTargetings(tx: Tx, targetings: readonly NewTargeting[]): Promise<void> {
  if (targetings.length === 0) return;
  const rows = targetings.map((each) => ({ ...each, ...derivedOf(each.document) }));
  await tx.query(
    `INSERT INTO targeting (flag_id, environment_id, document, version, cohorts, prerequisites)
     SELECT "flagId", "environmentId", document, version,
            ARRAY(SELECT jsonb_array_elements_text(cohorts)), ARRAY(SELECT jsonb_array_elements_text(prerequisites))
     FROM jsonb_to_recordset($1::jsonb)
       AS rows ("flagId" int, "environmentId" int, document jsonb, version int, cohorts jsonb, prerequisites jsonb)`,
    [JSON.stringify(rows)],
  );
}

/** Replaces the documents of several flags in one environment, in one statement. */
export async function updateTargetings(
  tx: Tx,
  environmentId: number,
  version: number,
  documents: readonly { readonly flagId: number; readonly document: Targeting }[],
): Promise<void> {
  const rows = documents.map((each) => ({ ...each, ...derivedOf(each.document) }));
  await tx.query(
    `UPDATE targeting SET document = rows.document, version = $2, updated_at = now(),
            cohorts = ARRAY(SELECT jsonb_array_elements_text(rows.cohorts)),
            prerequisites = ARRAY(SELECT jsonb_array_elements_text(rows.prerequisites))
     FROM jsonb_to_recordset($3::jsonb) AS rows ("flagId" int, document jsonb, cohorts jsonb, prerequisites jsonb)
     WHERE flag_id = rows."flagId" AND environment_id = $1`,
    [environmentId, version, JSON.stringify(rows)],
  );
}
