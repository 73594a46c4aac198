/** Workspaces as documents of JSON:API: the fields of VCS workspaces, and those that the Terraform CLI reads. */
import type { ForgeDescriptor } from '../../forges/forge.js';
import type { WorkspaceRow } from '../../store/workspace/workspaces.js';
import { API_PREFIX } from '../json-api/document.js';
import { externalId as connectionId } from '../vcs-connections/document.js';
import type { Visit } from './context.js';
import { runIds, stateIds, workspaceIds } from './ids.js';
import { namesOf } from './tags.js';

export const WORKSPACES = 'workspaces';

/** What the CLI is told when nothing was said: whichever version the executor has. */
const ANY_VERSION = 'latest';

export const to = (type: string, id: string | null | undefined) => ({ data: id ? { id, type } : null });

/** In a form that other clients of this API know. */
function vcsRepoOf(row: WorkspaceRow, forge: ForgeDescriptor | undefined) {
  if (row.vcsRepoUrl === null) return null;
  return {
    identifier: row.remotePath,
    'display-identifier': row.remotePath,
    branch: row.vcsBranch ?? '',
    'repository-http-url': row.vcsRepoUrl,
    'service-provider': forge?.id ?? row.forge,
    'ingress-submodules': false,
  };
}

/** Why pushes and pull requests make no runs now; null: they do, or it is not linked. */
export function whyNotTriggered(row: WorkspaceRow): string | null {
  if (row.vcsRepoUrl === null) return null;
  if (row.connectionStatus === null)
    return 'The VCS connection of this workspace is gone: no runs are made for pushes and pull requests. Choose another connection, or disconnect the workspace.';
  if (row.connectionStatus !== 'active')
    return `The VCS connection of this workspace is ${row.connectionStatus}: no runs are made for pushes and pull requests until it is active again.`;
  return row.vcsLastError;
}

export interface WorkspaceContext {
  organization: string;
  forges: ReadonlyMap<string, ForgeDescriptor>;
}

export function workspaceResource(
  { workspace: row, may }: Pick<Visit, 'workspace' | 'may'>,
  { organization, forges }: WorkspaceContext,
) {
  const id = workspaceIds.external(row.id);
  const holder = holderOf(row);
  const forge = row.forge === null ? undefined : forges.get(row.forge);
  return {
    id,
    type: WORKSPACES,
    attributes: {
      name: row.name,
      description: row.description,
      'execution-mode': row.executionMode,
      operations: row.executionMode !== 'local',
      'auto-apply': row.autoApply,
      'terraform-version': row.terraformVersion ?? ANY_VERSION,
      'working-directory': row.workingDirectory,
      'trigger-prefixes': row.triggerPrefixes,
      'file-triggers-enabled': row.triggerPrefixes.length > 0,
      'speculative-enabled': row.speculativeEnabled,
      'allow-destroy-plan': row.allowDestroyPlan,
      'tag-names': namesOf(row.tags),
      locked: holder !== undefined,
      'locked-by': holder?.by ?? null,
      'locked-at': holder?.at?.toISOString() ?? null,
      'lock-reason': holder?.reason ?? null,
      'vcs-repo-url': row.vcsRepoUrl ?? '',
      'vcs-branch': row.vcsBranch ?? '',
      'vcs-working-directory': row.workingDirectory,
      'vcs-last-commit-sha': row.vcsLastCommitSha,
      'vcs-last-error': whyNotTriggered(row),
      'vcs-last-polled-at': row.vcsLastPolledAt?.toISOString() ?? null,
      'vcs-repo': vcsRepoOf(row, forge),
      'vcs-repo-identifier': row.remotePath,
      // What the CLI asks for and does nothing with here.
      environment: 'default',
      'global-remote-state': false,
      'queue-all-runs': false,
      'structured-run-output-enabled': false,
      'assessments-enabled': false,
      'auto-apply-run-trigger': false,
      source: 'tfe-api',
      actions: { 'is-destroyable': may('run.apply') },
      permissions: {
        'can-update': may('workspace.manage'),
        'can-destroy': may('workspace.manage'),
        'can-force-delete': may('workspace.manage'),
        'can-update-variable': may('workspace.manage'),
        'can-read-variable': may('workspace.read'),
        'can-read-settings': may('workspace.read'),
        'can-queue-run': may('run.plan'),
        'can-queue-destroy': may('run.plan'),
        'can-queue-apply': may('run.apply'),
        'can-lock': may('run.plan'),
        'can-unlock': may('run.plan'),
        'can-force-unlock': may('run.apply'),
        'can-read-state-versions': may('state.read'),
        'can-read-state-outputs': may('state.read'),
        'can-create-state-versions': may('state.write'),
        'can-manage-run-tasks': false,
      },
      'created-at': row.createdAt.toISOString(),
      'updated-at': row.updatedAt.toISOString(),
    },
    relationships: {
      organization: to('organizations', organization),
      'vcs-connection': to('vcs-connections', row.vcsConnectionId && connectionId(row.vcsConnectionId)),
      'current-run': to('runs', row.activeRunId && runIds.external(row.activeRunId)),
      'current-state-version': to(
        'state-versions',
        row.currentStateVersionId && stateIds.external(row.currentStateVersionId),
      ),
      'locked-by': holder === undefined ? to('users', null) : to(holder.type, holder.id),
    },
    links: { self: `${API_PREFIX}/${WORKSPACES}/${id}` },
  };
}

export type WorkspaceResource = ReturnType<typeof workspaceResource>;

export interface Holder {
  /** As a person reads it. */
  by: string;
  at: Date | null;
  reason: string | null;
  type: 'runs' | 'users';
  id: string;
}

/** Who has the workspace; undefined: it is free. Somebody who has locked it comes before the runs, which wait for them. */
export function holderOf(row: WorkspaceRow): Holder | undefined {
  if (row.lockedBy !== null)
    return {
      ...{ by: row.lockedBy, at: row.lockedAt, reason: row.lockReason, type: 'users' },
      id: /^user:(\S+)/.exec(row.lockedBy)?.[1] ?? row.lockedBy,
    };
  if (row.lockedByRunId !== null) {
    const id = runIds.external(row.lockedByRunId);
    const why = row.lockedByRunReason === null ? '' : `: ${row.lockedByRunReason}`;
    return {
      ...{ by: id, at: row.lockedByRunAt, type: 'runs', id },
      reason: `${id} ended badly while it applied${why}`,
    };
  }
  if (row.activeRunId === null) return undefined;
  const id = runIds.external(row.activeRunId);
  return { by: id, at: null, reason: null, type: 'runs', id };
}

/** The same in a sentence. */
export function heldInWords(row: WorkspaceRow): string {
  const holder = holderOf(row);
  if (holder === undefined) return 'The workspace is not locked.';
  if (row.lockedBy === null && row.lockedByRunId === null) return `${holder.by} is under way in the workspace.`;
  return `The workspace is locked by ${holder.by}${holder.reason === null ? '.' : `: ${holder.reason}`}`;
}
