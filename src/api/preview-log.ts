/** The log of a preview as its row says where it is. */
import type { LogCursor, LogStage, PreviewLog } from '../jobs/preview/logs.js';
import { redactText } from '../lib/redact.js';
import type { Store } from '../store/database.js';
import type { Services } from './procedures/services.js';

export interface PreviewLogWish {
  organizationId: string;
  /** Of the preview. */
  id: string;
  stage?: LogStage | undefined;
  lines: number;
  after: LogCursor | undefined;
  service?: string | undefined;
  since?: Date | undefined;
}

interface Row {
  repository_id: string;
  name: string;
  cluster: string | null;
  driver_state: unknown;
  log_tail: string | null;
}

/** Undefined: there is no such preview. */
export async function readPreviewLogOf(
  store: Store,
  read: Services['previewLog'],
  { organizationId, id, stage, lines, after, service, since }: PreviewLogWish,
): Promise<PreviewLog | undefined> {
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<Row>('SELECT repository_id, name, cluster, driver_state, log_tail FROM preview WHERE id = $1', [id]),
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const { name, cluster, repository_id: repositoryId } = row;
  const preview = { organizationId, repositoryId, name, cluster };
  const log = await read({ preview, driverState: row.driver_state, stage, lines, after, service, since });
  // Of a failure the row has the last lines, also where the files are gone or on another machine.
  const isLost = log.lines.length === 0 && after === undefined && since === undefined && row.log_tail !== null;
  return isLost
    ? {
        ...log,
        lines: redactText(row.log_tail ?? '')
          .split('\n')
          .slice(-lines),
      }
    : log;
}
