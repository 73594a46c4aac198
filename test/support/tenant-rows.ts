/** One row in every table that belongs to a tenant. A new table is added here: tenancy.test.ts fails until it is. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';

export interface PopulateOptions {
  /** False when the organization exists already. */
  create?: boolean;
}

/** @param client a superuser's, which row level security does not bind @param seed keeps unique columns apart */
export async function populateTenant(
  client: Pick<pg.Client, 'query'>,
  organizationId: string,
  seed: number,
  options: PopulateOptions = {},
): Promise<void> {
  const add = async (table: string, row: Record<string, unknown>): Promise<string> => {
    const names = Object.keys(row);
    const { rows } = await client.query<{ id?: string }>(
      `insert into "${table}" (${names.map((name) => `"${name}"`).join(', ')})
       values (${names.map((_, index) => `$${index + 1}`).join(', ')}) returning *`,
      Object.values(row),
    );
    return String(rows[0]?.id);
  };
  const tenant = { organization_id: organizationId };
  const place = { forge: 'forge-x', host: 'forge.example' };
  const now = new Date('2026-01-02T03:04:05Z');
  const url = 'https://forge.example/acme/shop';
  const sha = `${seed}`.repeat(40).slice(0, 40);

  if (options.create !== false)
    await add('organization', { id: organizationId, slug: `tenant-${seed}`, name: `Tenant ${seed}` });
  const user_id = await add('user', { id: `user-${seed}`, name: 'Ada', email: `ada-${seed}@example.com` });
  await add('member', { ...tenant, user_id, role: 'owner' });
  const connection_id = await add('connection', {
    ...tenant,
    ...place,
    user_id,
    name: 'c',
    kind: 'pat',
    provider_account_id: `${seed}`,
  });
  await add('connection_confirmation', { ...tenant, connection_id, wish: '{}', due_at: now });
  await add('token_revocation', { ...tenant, ...place, id: randomUUID(), due_at: now });
  const installation_id = await add('installation', {
    ...tenant,
    ...place,
    app_id: '1',
    installation_id: seed,
    virtual_id: seed,
  });
  const hook_id = await add('hook', { ...tenant, ...place, id: `hook-${seed}`, scope: 'app' });
  await add('audit_entry', { ...tenant, actor: 'ada', action: 'installed', subject: 'app' });
  await add('repository_claim', { ...tenant, ...place, remote_id: seed });

  const delivery_id = await add('webhook_delivery', { ...tenant, ...place, hook_id, delivery_key: `d-${seed}` });
  const dispatch_id = await add('dispatch', {
    ...tenant,
    delivery_id,
    event_name: 'push',
    app: 'mirror',
    lane: `l-${seed}`,
    shard: 1,
  });

  const repository_id = await add('repository', {
    ...tenant,
    ...place,
    installation_id,
    remote_id: seed,
    remote_url: url,
    remote_owner: 'acme',
    remote_name: 'shop',
    default_branch: 'main',
  });
  const mirrored = { ...tenant, ...place, repository_id, remote_id: seed, url, remote_updated_at: now };
  const remote = { remote_repository_id: seed, remote_owner: 'acme', remote_name: 'shop' };
  const pull_request_id = await add('pull_request', {
    ...mirrored,
    ...remote,
    number: 1,
    title: 't',
    state: 'open',
    head_branch: 'feature',
    base_branch: 'main',
    head_sha: sha,
    base_sha: sha,
  });
  await add('git_commit', {
    ...tenant,
    ...place,
    ...remote,
    repository_id,
    pull_request_id,
    sha,
    message: 'm',
    committed_at: now,
  });
  await add('review', { ...mirrored, number: 1, state: 'approved' });
  await add('comment', { ...mirrored, kind: 'issue', body: 'b' });
  await add('issue', { ...mirrored, remote_repository_id: seed, number: 2, title: 't', state: 'open' });

  await add('preview', {
    ...tenant,
    repository_id,
    pull_request_id,
    name: `preview-${seed}`,
    driver: 'process',
    desired_state: 'running',
  });
  await add('sticky_comment', { ...tenant, pull_request_id });
  await add('commit_status', {
    ...tenant,
    repository_id,
    pull_request_id,
    sha,
    context: 'forgeway/preview',
    state: 'pending',
    description: 'd',
  });
  await add('pull_request_sync', { ...tenant, pull_request_id });

  const agentSession = await add('agent_session', {
    ...tenant,
    ...place,
    repository_id,
    remote_repository_id: seed,
    number: 2,
    on_pull_request: false,
    command_key: `comment-${seed}`,
    requested_by: 'ada',
    agent: 'scripted',
    triggered_at: now,
    limit_seconds: 60,
    event_sequence: 1,
  });
  await add('agent_secret', { ...tenant, name: 'MODEL_KEY', set_by: 'ada' });
  const ofSession = { ...tenant, session_id: agentSession };
  await add('session_event', { ...ofSession, sequence: 1, kind: 'message' });
  await add('session_notice', { ...ofSession, sequence: 1, kind: 'question', body: 'b' });
  await add('command_sender', { ...tenant, ...place, account_id: seed });
  await add('remembered_right', {
    ...{ ...tenant, ...place, remote_repository_id: seed, account_id: seed, level: 'write', asked_at: new Date() },
  });
  await add('agent_stop', {
    ...{
      ...tenant,
      ...place,
      command_key: 'one',
      remote_repository_id: seed,
      number: seed,
      by_id: seed,
      by_login: 'ada',
    },
    ...{ whose: 'own', delivery_id: seed, asked_at: new Date() },
  });
  await add('client_input', { ...ofSession, client_input_id: 'one', round: 1, written_by: 'ada', body: 'b' });
  const task_run_id = await add('task_run', { ...ofSession, repository_id });
  await add('worktree_link', { ...ofSession, worktree_id: `worktree-${seed}`, task_run_id });

  await add('hook_watch', { ...tenant, hook_id });
  const missed = { ...tenant, hook_id, delivery_key: `d-${seed}`, attempt_id: '1', position: 1 };
  await add('missed_delivery', { ...missed, event_type: 'push', answer: '503' });

  const number = 1;
  await add('object_snapshot', { ...tenant, hook_id, repository_id: seed, kind: 'issue', number, state: {} });
  await add('forge_record', { ...tenant, ...place, kind: 'check_run', key: `${seed}`, data: {} });
  await add('write_journal', {
    ...tenant,
    ...place,
    dispatch_id,
    request_hash: Buffer.from([seed]),
    ordinal: number,
    route: 'POST /repos/{owner}/{repo}/labels',
    path: '/repos/acme/shop/labels',
    safety: 'findable',
    status: 'sent',
    sent_by: dispatch_id,
  });
  const session_id = `session-${seed}`;
  await add('session', { id: session_id, user_id, token: session_id, expires_at: now });
  const link = { state_hash: `link-${seed}`, provider_id: 'github-github-com', expires_at: now };
  await add('account_link', { ...tenant, ...link, user_id, session_id });
  const request = { caller: `user:${seed}`, request_hash: Buffer.from([seed]), answer: '{}' };
  await add('api_request', { ...tenant, ...request });
  const { rows: requests } = await client.query<{ id: bigint }>('SELECT max(id) AS id FROM api_request');
  await add('api_write', {
    ...tenant,
    ...place,
    request_id: requests[0]?.id,
    request_hash: Buffer.from([seed]),
    ordinal: number,
    route: 'POST /repos/{owner}/{repo}/labels',
    path: '/repos/acme/shop/labels',
    safety: 'findable',
    status: 'sent',
    sent_by: requests[0]?.id,
  });
  await add('own_write', { ...tenant, ...place, trace: 'comment:1', app: 'a', depth: 1 });
  await add('run_hold', { ...tenant, mode: 'pause', app: `app-${seed}`, placed_by: 'ada' });
  await add('sync_cursor', { ...tenant, repository_id });
  await add('access_decision', { ...tenant, actor: 'ada', action: 'a', subject: 's', allowed: true, why: 'w' });
  const job_id = await add('cluster_job', {
    ...{ ...tenant, kind: 'run', subject: `work-${seed}`, fence: 0, turn: 0 },
    ...{ cluster: 'default', namespace: `forgeway-run-${seed}`, output_limit: 1 },
  });
  await add('preview_cluster', { ...tenant, name: 'elsewhere', context: 'elsewhere', created_by: 'ada' });
  await add('preview_secret', { ...tenant, repository_id, name: 'TOKEN', set_by: 'ada' });
  await add('seen_head', { ...tenant, repository_id, number: number + 1, sha });
  await add('trusted_commit', { ...tenant, repository_id, number, sha, approved_by: 'ada', approver_login: 'ada' });
  await add('told_object', { ...tenant, repository_id, number, kind: 'pull_request', state: {} });
  await add('poll_report', {
    ...tenant,
    ...place,
    remote_repository_id: seed,
    number,
    piece: 'state',
    version: now.toISOString(),
  });
  const source_id = await add('organization_source', {
    ...tenant,
    ...place,
    installation_id,
    remote_id: seed,
    login: 'acme',
    name: 'Acme',
    linked_by: 'ada',
  });
  const source = { ...tenant, source_id };
  await add('role_mapping', { ...source, forge_role: 'reader', role: 'none' });
  const team_id = await add('team', { ...source, vcs_team_id: seed, slug: 'core', name: 'Core' });
  await add('team_member', { ...tenant, team_id, user_id, role: 'member', origin: 'forge' });
  await add('forge_membership', {
    ...source,
    list: 'members',
    remote_user_id: seed,
    of_organization: true,
    login: 'ada',
    role: 'member',
    seen_at: now,
  });
  const blob_id = await add('blob', { ...tenant, kind: 'configuration', sha256: sha, size: 1 });
  await add('blob_chunk', { ...tenant, blob_id, ordinal: 0, bytes: Buffer.from('x') });
  await add('cluster_job_print', { ...tenant, job_id, blob_id, offset: 0, bytes: 1 });
  const workspace_id = await add('workspace', { ...tenant, name: 'infra', created_by: 'ada' });
  const ofWorkspace = { ...tenant, workspace_id };
  await add('workspace_variable', { ...ofWorkspace, key: 'region', category: 'terraform', value: 'x' });
  await add('workspace_team', { ...ofWorkspace, team_id, access: 'read' });
  const configuration_version_id = await add('configuration_version', {
    ...ofWorkspace,
    source: 'api',
    blob_id,
    created_by: 'ada',
  });
  const run_id = await add('run', { ...ofWorkspace, configuration_version_id, source: 'api', created_by: 'ada' });
  await add('repository_watch', { ...tenant, connection_id: randomUUID(), forge: 'gitlab', host: 'h', path: 'a/b' });
  const phase_id = await add('run_phase', { ...tenant, run_id, phase: 'plan' });
  await add('run_log_chunk', { ...tenant, phase_id, position: 0, bytes: Buffer.from('x') });
  await add('state_version', { ...ofWorkspace, run_id, serial: 1, md5: 'x', created_by: 'ada' });
  await add('api_token', {
    ...tenant,
    kind: 'machine',
    name: 'ci',
    prefix: 'fgw_000000',
    secret_hash: Buffer.alloc(32, seed),
    scopes: '["read"]',
    role: 'viewer',
    created_by: 'ada',
  });
  await add('change_event', { ...tenant, kind: 'preview', subject_id: `${seed}`, change: 'changed' });
  await add('app_repository', { ...tenant, app: `app-${seed}`, repository_id, enabled: true });
}
