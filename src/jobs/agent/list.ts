/** Sessions and their record, for a person at the command line. */
import type { Store } from '../../store/database.js';
import type { SessionStatus } from './machine.js';

export interface ListedSession {
  id: string;
  status: SessionStatus;
  stopping: boolean;
  agent: string;
  /** Such as `acme/web#12`. */
  on: string;
  /** Who asked for it. */
  by: string;
  branch: string | null;
  pullRequestUrl: string | null;
  message: string | null;
  failure: string | null;
  updatedAt: Date;
}

/** Last changed first. */
export function listSessions(store: Store, organizationId: string): Promise<ListedSession[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<ListedSession>(
      `SELECT s.id, s.status, s.stop_wanted IS NOT NULL AS stopping, s.agent,
         r.remote_owner || '/' || r.remote_name || '#' || s.number AS "on",
         coalesce(s.requester_login, s.requested_by) AS by, s.branch, s.pull_request_url AS "pullRequestUrl", s.message,
         s.failure, s.updated_at AS "updatedAt"
       FROM agent_session s JOIN repository r ON r.id = s.repository_id ORDER BY s.updated_at DESC, s.id`,
    );
    return rows;
  });
}

const PAGE = 500;

/** What was recorded after a place, at most a page of it. */
export function readEvents(
  store: Store,
  organizationId: string,
  sessionId: string,
  after: bigint,
): Promise<{ sequence: bigint; kind: string; data: Record<string, unknown>; at: Date }[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ sequence: bigint; kind: string; data: Record<string, unknown>; at: Date }>(
      `SELECT sequence, kind, data, created_at AS at FROM session_event WHERE session_id = $1 AND sequence > $2
       ORDER BY sequence LIMIT $3`,
      [sessionId, after, PAGE],
    );
    return rows;
  });
}
