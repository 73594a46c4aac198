/** Runs, and their two phases, as rows. Every function runs in one transaction that has named the tenant. */
import type pg from 'pg';

export const runStatuses = [
  'pending',
  'fetching',
  'planning',
  'planned',
  'planned_and_finished',
  'confirmed',
  'applying',
  'applied',
  'errored',
  'discarded',
  'canceled',
] as const;
export type RunStatus = (typeof runStatuses)[number];
export type RunSource = 'vcs' | 'api' | 'cli' | 'ui' | 'comment';

/** Nothing will become of these any more. */
export const finalStatuses = ['planned_and_finished', 'applied', 'errored', 'discarded', 'canceled'] as const;
export const isFinal = (status: RunStatus): boolean => (finalStatuses as readonly string[]).includes(status);
/** These hold their workspace, unless they are plan-only. */
export const activeStatuses = ['fetching', 'planning', 'planned', 'confirmed', 'applying'] as const;

export interface RunRow {
  id: string;
  /** The order of turns. */
  number: bigint;
  organizationId: string;
  workspaceId: string;
  configurationVersionId: string;
  status: RunStatus;
  /** When each status was entered, ISO 8601. */
  statusTimestamps: Partial<Record<RunStatus, string>>;
  source: RunSource;
  message: string;
  planOnly: boolean;
  autoApply: boolean;
  isDestroy: boolean;
  refresh: boolean;
  refreshOnly: boolean;
  allowEmptyApply: boolean;
  savePlan: boolean;
  targetAddrs: string[];
  replaceAddrs: string[];
  terraformVersion: string | null;
  vcsCommitSha: string | null;
  vcsBranch: string | null;
  vcsPullRequestNumber: number | null;
  vcsBaseSha: string | null;
  repetition: number;
  trusted: boolean;
  createdBy: string;
  confirmedBy: string | null;
  confirmedComment: string | null;
  cancelRequestedAt: Date | null;
  cancelRequestedBy: string | null;
  forceCanceledAt: Date | null;
  /** For people: why it ended so, or what it waits for. */
  statusReason: string | null;
  executor: string | null;
  executorState: Record<string, unknown>;
  fencingNumber: bigint;
  leaseOwner: string | null;
  leaseUntil: Date | null;
  desiredVersion: bigint;
  observedVersion: bigint;
  attempts: number;
  error: string | null;
  createdAt: Date;
  updatedAt: Date;
  finishedAt: Date | null;
}

const COLUMNS = `r.id, r.number, r.organization_id AS "organizationId", r.workspace_id AS "workspaceId",
  r.configuration_version_id AS "configurationVersionId", r.status, r.status_timestamps AS "statusTimestamps", r.source,
  r.message, r.plan_only AS "planOnly", r.auto_apply AS "autoApply", r.is_destroy AS "isDestroy", r.refresh,
  r.refresh_only AS "refreshOnly", r.allow_empty_apply AS "allowEmptyApply", r.save_plan AS "savePlan",
  r.target_addrs AS "targetAddrs", r.replace_addrs AS "replaceAddrs", r.terraform_version AS "terraformVersion",
  r.vcs_commit_sha AS "vcsCommitSha", r.vcs_branch AS "vcsBranch", r.vcs_pull_request_number AS "vcsPullRequestNumber",
  r.vcs_base_sha AS "vcsBaseSha", r.repetition, r.trusted, r.created_by AS "createdBy", r.confirmed_by AS "confirmedBy",
  r.confirmed_comment AS "confirmedComment", r.cancel_requested_at AS "cancelRequestedAt",
  r.cancel_requested_by AS "cancelRequestedBy", r.force_canceled_at AS "forceCanceledAt", r.status_reason AS "statusReason",
  r.executor, r.executor_state AS "executorState", r.fencing_number AS "fencingNumber", r.lease_owner AS "leaseOwner",
  r.lease_until AS "leaseUntil", r.desired_version AS "desiredVersion", r.observed_version AS "observedVersion", r.attempts,
  r.error, r.created_at AS "createdAt", r.updated_at AS "updatedAt", r.finished_at AS "finishedAt"`;

export interface NewRun {
  workspaceId: string;
  configurationVersionId: string;
  source: RunSource;
  message: string;
  createdBy: string;
  planOnly?: boolean;
  autoApply?: boolean;
  isDestroy?: boolean;
  refresh?: boolean;
  refreshOnly?: boolean;
  allowEmptyApply?: boolean;
  savePlan?: boolean;
  targetAddrs?: readonly string[];
  replaceAddrs?: readonly string[];
  terraformVersion?: string | null;
  vcsCommitSha?: string;
  vcsBranch?: string;
  vcsPullRequestNumber?: number;
  vcsBaseSha?: string;
  repetition?: number;
  trusted?: boolean;
}

/** Whether a configuration may have what the workspace knows: not what a stranger wrote, whoever runs it again. */
export async function isTrusted(tx: pg.PoolClient, configurationVersionId: string): Promise<boolean> {
  const { rowCount } = await tx.query('SELECT FROM run WHERE configuration_version_id = $1 AND NOT trusted LIMIT 1', [
    configurationVersionId,
  ]);
  return rowCount === 0;
}

/** With its plan, and its apply unless it is plan-only. Undefined: this commit of this pull request has its run already. */
export async function insertRun(tx: pg.PoolClient, organizationId: string, run: NewRun): Promise<string | undefined> {
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO run (organization_id, workspace_id, configuration_version_id, source, message, created_by, plan_only, auto_apply,
       is_destroy, refresh, refresh_only, allow_empty_apply, save_plan, target_addrs, replace_addrs, terraform_version,
       vcs_commit_sha, vcs_branch, vcs_pull_request_number, vcs_base_sha, repetition, trusted, status_timestamps)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
       jsonb_build_object('pending', ${ISO_NOW}))
     ON CONFLICT (workspace_id, vcs_pull_request_number, vcs_commit_sha, repetition) WHERE vcs_pull_request_number IS NOT NULL
       DO NOTHING RETURNING id`,
    [
      organizationId,
      run.workspaceId,
      run.configurationVersionId,
      run.source,
      run.message,
      run.createdBy,
      run.planOnly ?? false,
      run.autoApply ?? false,
      run.isDestroy ?? false,
      run.refresh ?? true,
      run.refreshOnly ?? false,
      run.allowEmptyApply ?? false,
      run.savePlan ?? false,
      JSON.stringify(run.targetAddrs ?? []),
      JSON.stringify(run.replaceAddrs ?? []),
      run.terraformVersion ?? null,
      run.vcsCommitSha ?? null,
      run.vcsBranch ?? null,
      run.vcsPullRequestNumber ?? null,
      run.vcsBaseSha ?? null,
      run.repetition ?? 0,
      run.trusted ?? true,
    ],
  );
  const id = rows[0]?.id;
  if (id === undefined) return undefined;
  await tx.query(`INSERT INTO run_phase (organization_id, run_id, phase) SELECT $1, $2, unnest($3::text[])`, [
    organizationId,
    id,
    run.planOnly ? ['plan'] : ['plan', 'apply'],
  ]);
  return id;
}

const ISO_NOW = `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

export async function getRun(tx: pg.PoolClient, id: string): Promise<RunRow | undefined> {
  const { rows } = await tx.query<RunRow>(`SELECT ${COLUMNS} FROM run r WHERE r.id = $1`, [id]);
  return rows[0];
}

/** The same, held until the transaction ends. Whoever needs the workspace too holds that one first. */
export async function holdRun(tx: pg.PoolClient, id: string): Promise<RunRow | undefined> {
  const { rows } = await tx.query<RunRow>(`SELECT ${COLUMNS} FROM run r WHERE r.id = $1 FOR UPDATE`, [id]);
  return rows[0];
}

export async function listRuns(
  tx: pg.PoolClient,
  workspaceId: string,
  filter: { statuses?: readonly string[] },
  page: { offset: number; limit: number },
): Promise<{ rows: RunRow[]; total: number }> {
  const where = 'FROM run r WHERE r.workspace_id = $1 AND ($2::text[] IS NULL OR r.status = ANY ($2))';
  const values = [workspaceId, filter.statuses ?? null];
  const { rows } = await tx.query<RunRow>(`SELECT ${COLUMNS} ${where} ORDER BY r.number DESC OFFSET $3 LIMIT $4`, [
    ...values,
    page.offset,
    page.limit,
  ]);
  const { rows: counted } = await tx.query<{ total: number }>(`SELECT count(*)::int4 AS total ${where}`, values);
  return { rows, total: counted[0]?.total ?? 0 };
}

/** How many runs of the workspace take their turn before it. */
export async function runsBefore(tx: pg.PoolClient, run: RunRow): Promise<number> {
  if (run.status !== 'pending') return 0;
  const { rows } = await tx.query<{ n: number }>(
    `SELECT count(*)::int4 AS n FROM run WHERE workspace_id = $1 AND number < $2 AND status <> ALL ($3) AND NOT plan_only`,
    [run.workspaceId, run.number, finalStatuses],
  );
  return rows[0]?.n ?? 0;
}

/** Runs of the organization that are not over, in the order of their turns. */
export async function unfinishedRuns(tx: pg.PoolClient, o: { workspaceId?: string } = {}): Promise<RunRow[]> {
  const { rows } = await tx.query<RunRow>(
    `SELECT ${COLUMNS} FROM run r WHERE r.status <> ALL ($1) AND ($2::uuid IS NULL OR r.workspace_id = $2) ORDER BY r.number`,
    [finalStatuses, o.workspaceId ?? null],
  );
  return rows;
}

/**
 * One step of the state machine: writes the status and when it was entered. False when the run is not in one of `from` any
 * more, or was taken by a process with a higher number.
 */
export async function moveRun(
  tx: pg.PoolClient,
  id: string,
  step: { from: readonly RunStatus[]; to: RunStatus; reason?: string | null; fencingNumber?: bigint },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE run SET status = $3, status_timestamps = status_timestamps || jsonb_build_object($3::text, ${ISO_NOW}),
       status_reason = $4, desired_version = desired_version + 1, attempts = 0, next_attempt_at = NULL, updated_at = now(),
       finished_at = CASE WHEN $3 = ANY ($6) THEN clock_timestamp() END
     WHERE id = $1 AND status = ANY ($2) AND ($5::bigint IS NULL OR fencing_number = $5)`,
    [id, step.from, step.to, step.reason ?? null, step.fencingNumber ?? null, finalStatuses],
  );
  return rowCount === 1;
}

// ── Phases ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type PhaseName = 'plan' | 'apply';
export type PhaseStatus = 'pending' | 'queued' | 'running' | 'finished' | 'errored' | 'canceled' | 'unreachable';

/** What a plan would do to one resource, without any value. */
export interface ResourceChange {
  address: string;
  type: string;
  name: string;
  module: string | null;
  provider: string | null;
  actions: string[];
}

export interface PhaseRow {
  id: string;
  organizationId: string;
  runId: string;
  phase: PhaseName;
  status: PhaseStatus;
  startedAt: Date | null;
  finishedAt: Date | null;
  hasChanges: boolean | null;
  resourceAdditions: number | null;
  resourceChanges: number | null;
  resourceDestructions: number | null;
  resourceImports: number | null;
  changes: ResourceChange[] | null;
  planBlobId: string | null;
  jsonBlobId: string | null;
  /** As `terraform show` reads it, of a saved plan. */
  shownBlobId: string | null;
  logSize: bigint;
  logTruncated: boolean;
  logClosed: boolean;
}

const PHASE_COLUMNS = `id, organization_id AS "organizationId", run_id AS "runId", phase, status, started_at AS "startedAt",
  finished_at AS "finishedAt", has_changes AS "hasChanges", resource_additions AS "resourceAdditions",
  resource_changes AS "resourceChanges", resource_destructions AS "resourceDestructions",
  resource_imports AS "resourceImports", changes, plan_blob_id AS "planBlobId", json_blob_id AS "jsonBlobId", shown_blob_id AS "shownBlobId",
  log_size AS "logSize", log_truncated AS "logTruncated", log_closed AS "logClosed"`;

export async function getPhase(tx: pg.PoolClient, id: string): Promise<PhaseRow | undefined> {
  const { rows } = await tx.query<PhaseRow>(`SELECT ${PHASE_COLUMNS} FROM run_phase WHERE id = $1`, [id]);
  return rows[0];
}

export async function phasesOf(
  tx: pg.PoolClient,
  runId: string,
): Promise<{ plan: PhaseRow; apply: PhaseRow | undefined }> {
  const { rows } = await tx.query<PhaseRow>(`SELECT ${PHASE_COLUMNS} FROM run_phase WHERE run_id = $1`, [runId]);
  const plan = rows.find((row) => row.phase === 'plan');
  if (plan === undefined) throw new TypeError('a run has no plan');
  return { plan, apply: rows.find((row) => row.phase === 'apply') };
}

const phaseColumnOf = {
  status: 'status',
  startedAt: 'started_at',
  finishedAt: 'finished_at',
  hasChanges: 'has_changes',
  resourceAdditions: 'resource_additions',
  resourceChanges: 'resource_changes',
  resourceDestructions: 'resource_destructions',
  resourceImports: 'resource_imports',
  changes: 'changes',
  planBlobId: 'plan_blob_id',
  jsonBlobId: 'json_blob_id',
  shownBlobId: 'shown_blob_id',
} as const satisfies Partial<Record<keyof PhaseRow, string>>;
export type PhaseChange = Partial<Pick<PhaseRow, keyof typeof phaseColumnOf>>;

/** What is undefined stays. */
export async function updatePhase(tx: pg.PoolClient, id: string, change: PhaseChange): Promise<void> {
  const given = (Object.keys(phaseColumnOf) as (keyof typeof phaseColumnOf)[]).filter((n) => change[n] !== undefined);
  if (given.length === 0) return;
  const values = given.map((name) => (name === 'changes' ? JSON.stringify(change.changes) : change[name]));
  await tx.query(
    `UPDATE run_phase SET ${given.map((name, i) => `${phaseColumnOf[name]} = $${i + 2}`).join(', ')}, updated_at = now() WHERE id = $1`,
    [id, ...values],
  );
}
