/** What the sticky comment and the commit statuses are to say. Written in the caller's transaction, poked after it. */
import type { PoolClient } from 'pg';
import type { JobKey } from '../queue/queue.js';
import { DESCRIPTION_LIMIT, shorten } from './shorten.js';

/** One line of the sticky comment. Everything but `icon` may come from a repository; it is escaped when rendered. */
export interface ReportRow {
  /** Such as `preview/web`. */
  component: string;
  icon: string;
  /** In words, beside the icon. */
  status: string;
  links: { label: string; url: string }[];
  sha?: string;
  updatedAt: Date;
  /** One line below the table: what it waits for, or why it failed. */
  note?: string;
  /** A line of its own below that: what a person can do now, with commands in backticks. */
  hint?: string;
  /** Folded away below the line; cut where it is long, with `url` for the whole. */
  details?: { summary: string; text: string; url?: string };
  /** Listed apart, folded away. */
  skipped?: boolean;
}

/** To be handed to `pokes.report.poke(wanted, wanted)` once the transaction has committed. */
export type Wanted = JobKey & { version: bigint };

interface VersionRow {
  id: string;
  desired_version: bigint | string;
}

const wanted = (organizationId: string, row: VersionRow | undefined): Wanted | undefined =>
  row && { organizationId, id: row.id, version: BigInt(row.desired_version) };

/** Whose sticky comment: a pull request's or an issue's, by our own ids. */
export type ReportThread = { pullRequestId: string } | { issueId: string };

/**
 * Sets one topic's line of a conversation's sticky comment; null takes it away. The same line again changes nothing.
 * A new version does not shorten the wait after a failure: what was denied is not asked for at every push.
 */
export async function wantReport(
  tx: PoolClient,
  o: { organizationId: string; topic: string; row: ReportRow | null } & ReportThread,
): Promise<Wanted | undefined> {
  const [column, threadId] = 'issueId' in o ? ['issue_id', o.issueId] : ['pull_request_id', o.pullRequestId];
  const { rows } =
    o.row === null
      ? await tx.query<VersionRow>(
          `UPDATE "sticky_comment" SET "sections" = "sections" - $2, "desired_version" = "desired_version" + 1
             WHERE "${column}" = $1 AND "sections" ? $2 RETURNING "id", "desired_version"`,
          [threadId, o.topic],
        )
      : await tx.query<VersionRow>(
          `INSERT INTO "sticky_comment" AS s ("organization_id", "${column}", "sections")
             VALUES ($3, $1, jsonb_build_object($2::text, $4::jsonb))
           ON CONFLICT ("${column}") DO UPDATE SET "sections" = s."sections" || excluded."sections",
             "desired_version" = s."desired_version" + 1,
             "next_attempt_at" = CASE WHEN s."error" IS NULL THEN NULL ELSE s."next_attempt_at" END
           WHERE (s."sections" -> $2) - 'updatedAt' IS DISTINCT FROM $4::jsonb - 'updatedAt'
           RETURNING "id", "desired_version"`,
          [threadId, o.topic, o.organizationId, JSON.stringify(o.row)],
        );
  return wanted(o.organizationId, rows[0]);
}

export interface WantedStatus {
  organizationId: string;
  repositoryId: string;
  pullRequestId: string | null;
  sha: string;
  /** Identity of the status on the commit, such as `forgeway/preview`. */
  context: string;
  state: 'pending' | 'success' | 'failure' | 'error';
  /** Cut to 140 characters. */
  description: string;
  targetUrl?: string;
}

/** Sets one status of one commit. The same again changes nothing. */
export async function wantCommitStatus(tx: PoolClient, o: WantedStatus): Promise<Wanted | undefined> {
  const { rows } = await tx.query<VersionRow>(
    `INSERT INTO "commit_status" AS s
       ("organization_id", "repository_id", "pull_request_id", "sha", "context", "state", "description", "target_url")
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT ("repository_id", "sha", "context") DO UPDATE SET "state" = excluded."state",
       "description" = excluded."description", "target_url" = excluded."target_url",
       "pull_request_id" = excluded."pull_request_id", "desired_version" = s."desired_version" + 1,
       "next_attempt_at" = CASE WHEN s."error" IS NULL THEN NULL ELSE s."next_attempt_at" END
     WHERE (s."state", s."description", s."target_url")
       IS DISTINCT FROM (excluded."state", excluded."description", excluded."target_url")
     RETURNING "id", "desired_version"`,
    [
      o.organizationId,
      o.repositoryId,
      o.pullRequestId,
      o.sha,
      o.context,
      o.state,
      shorten(o.description, DESCRIPTION_LIMIT),
      o.targetUrl ?? null,
    ],
  );
  return wanted(o.organizationId, rows[0]);
}
