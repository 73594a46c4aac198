/** Installations, which on a forge without Apps are connections by token. */
import type { JsonObject } from '../../forge.js';
import { user } from './account.js';
import type { ShapeBase } from './base.js';
import type { AccountInput, Id } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';

export interface InstallationInput {
  /** The number under which apps see it. */
  id: Id;
  account: AccountInput;
  createdAt: string;
  updatedAt: string;
}

/**
 * What an app may take for granted, as it may of what its App was registered with: an app that looks there first would do nothing
 * without it. What the token behind a connection may do less than that, the forge says when it is asked.
 */
export const INSTALLATION_PERMISSIONS: Readonly<Record<string, string>> = {
  actions: 'write',
  administration: 'write',
  checks: 'write',
  contents: 'write',
  deployments: 'write',
  issues: 'write',
  members: 'write',
  metadata: 'read',
  pull_requests: 'write',
  repository_hooks: 'write',
  statuses: 'write',
};

/** GitHub's installation. */
export function installation(base: ShapeBase, { id, account, createdAt, updatedAt }: InstallationInput): JsonObject {
  return {
    id: jsonId(id),
    account: user(base, account),
    repository_selection: 'selected',
    access_tokens_url: `${base.api}/app/installations/${id}/access_tokens`,
    repositories_url: `${base.api}/installation/repositories`,
    html_url: base.web,
    app_id: 1,
    app_slug: 'forgeway',
    target_id: jsonId(account.id),
    target_type: 'User',
    permissions: { ...INSTALLATION_PERMISSIONS },
    events: [],
    created_at: createdAt,
    updated_at: updatedAt,
    single_file_name: null,
    has_multiple_single_files: false,
    single_file_paths: [],
    suspended_by: null,
    suspended_at: null,
  };
}

export interface CoveredRepositoryInput {
  id: Id;
  owner: string;
  name: string;
  private: boolean;
  htmlUrl: string;
  defaultBranch: string | null;
}

/** A repository as the lists in installation events name it; GitHub leaves out the last two. */
export const coveredRepository = (repository: CoveredRepositoryInput): JsonObject => ({
  id: jsonId(repository.id),
  node_id: nodeId('Repository', repository.id, `${repository.owner}/${repository.name}`),
  name: repository.name,
  full_name: `${repository.owner}/${repository.name}`,
  private: repository.private,
  html_url: repository.htmlUrl,
  default_branch: repository.defaultBranch,
});
