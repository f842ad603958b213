import { DomainError } from '@fledge/store';

/** Deleting much takes saying its name once more. @throws DomainError `confirmation_missing` */
export function refuseUnconfirmed(key: string, confirm: string | undefined): void {
  if (confirm === key) return;
  throw new DomainError(
    'confirmation_missing',
    `This deletes "${key}" with everything in it. Send ?confirm=${key} to go ahead.`,
  );
}
