/** Who changed what, kept for the organization. */
import type pg from 'pg';

/** @param detail never a secret */
export async function audit(
  tx: pg.ClientBase,
  organizationId: string,
  action: string,
  subject: string,
  detail: Readonly<Record<string, unknown>>,
  actor = 'administrator',
): Promise<void> {
  await tx.query(
    'INSERT INTO audit_entry (organization_id, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)',
    [organizationId, actor, action, subject, JSON.stringify(detail)],
  );
}
