/** What the watch over the hooks has found, for people. */
import type { Store } from '../../store/database.js';

export interface WatchReport {
  hookId: string;
  forge: string;
  host: string;
  /** The hook of the App, not of a connection. */
  isApp: boolean;
  lookedAt: Date | null;
  trouble: string | null;
  troubleSince: Date | null;
  /** Whether the forge has a list of deliveries to ask for. */
  listed: boolean;
  askedAt: Date | null;
  enabledAt: Date | null;
  /** Deliveries that are missed now, that arrived after they had been, and that were given up in the last three days. */
  missed: number;
  arrived: number;
  givenUp: number;
}

/** Hooks that were looked at, the App's first. */
export async function watchReports(store: Store, organizationId: string): Promise<WatchReport[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<WatchReport>(
      `SELECT h.id AS "hookId", h.forge, h.host, h.connection_id IS NULL AS "isApp", w.looked_at AS "lookedAt", w.trouble,
         w.trouble_since AS "troubleSince", coalesce(w.unlisted_until <= now(), true) AS listed, w.asked_at AS "askedAt",
         w.enabled_at AS "enabledAt",
         count(*) FILTER (WHERE m.status = 'open')::int AS missed,
         count(*) FILTER (WHERE m.status = 'arrived')::int AS arrived,
         count(*) FILTER (WHERE m.status = 'given_up' AND m.finished_at > now() - interval '3 days')::int AS "givenUp"
       FROM hook h JOIN hook_watch w ON w.hook_id = h.id LEFT JOIN missed_delivery m ON m.hook_id = h.id
       WHERE h.organization_id = $1 GROUP BY h.id, w.hook_id ORDER BY h.connection_id IS NOT NULL, h.created_at, h.id`,
      [organizationId],
    );
    return rows;
  });
}

const time = (date: Date): string => date.toISOString().replace('T', ' ').slice(0, 16);

/** `looked at 2026-03-02 10:00, 2 missed, 7 arrived late, last asked for 2026-03-02 09:58`. */
export function describeWatch(report: WatchReport): string {
  const { lookedAt, missed, arrived, givenUp, askedAt, enabledAt } = report;
  return [
    lookedAt === null ? 'not looked at yet' : `looked at ${time(lookedAt)}`,
    ...(report.listed ? [] : ['the forge lists no deliveries']),
    ...(missed > 0 ? [`${missed} missed`] : []),
    ...(arrived > 0 ? [`${arrived} arrived late`] : []),
    ...(givenUp > 0 ? [`${givenUp} given up`] : []),
    ...(askedAt === null ? [] : [`last asked for ${time(askedAt)}`]),
    ...(enabledAt === null ? [] : [`switched on again ${time(enabledAt)}`]),
  ].join(', ');
}
