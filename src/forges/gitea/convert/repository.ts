import type { z } from 'zod';
import type { AccountInput, RepositoryInput } from '../../kit/shapes/inputs.js';
import { nativeRepository, read } from '../schema.js';
import { time } from './time.js';
import { accountIfTold, accountInput } from './user.js';

/**
 * `internal` is a public repository of a private organization: its members see it and nobody else.
 * `permissions` are those of the token in an API answer, but of whoever caused it in a webhook.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 */
export function repositoryInput(native: unknown): RepositoryInput {
  const repository = read('repository', nativeRepository, native);
  return fromNative(repository, accountInput(repository.owner));
}

/** The same, or undefined where there is no repository that can be read: a fork that is gone. Never throws. */
export function repositoryIfTold(native: unknown): RepositoryInput | undefined {
  const repository = nativeRepository.safeParse(native);
  const owner = repository.success ? accountIfTold(repository.data.owner) : undefined;
  return repository.success && owner !== undefined ? fromNative(repository.data, owner) : undefined;
}

function fromNative(repository: z.output<typeof nativeRepository>, owner: AccountInput): RepositoryInput {
  const { permissions } = repository;
  return {
    id: repository.id,
    owner,
    name: repository.name,
    htmlUrl: repository.html_url ?? '',
    description: repository.description || null,
    visibility: repository.private ? 'private' : repository.internal ? 'internal' : 'public',
    fork: repository.fork ?? undefined,
    defaultBranch: repository.default_branch || undefined,
    archived: repository.archived ?? undefined,
    homepage: repository.website || null,
    language: repository.language || null,
    topics: repository.topics ?? undefined,
    createdAt: time(repository.created_at),
    updatedAt: time(repository.updated_at),
    size: repository.size ?? undefined,
    starCount: repository.stars_count ?? undefined,
    forkCount: repository.forks_count ?? undefined,
    // GitHub counts pull requests among the open issues.
    openIssueCount:
      repository.open_issues_count == null
        ? undefined
        : repository.open_issues_count + (repository.open_pr_counter ?? 0),
    hasIssues: repository.has_issues ?? undefined,
    hasWiki: repository.has_wiki ?? undefined,
    cloneUrl: repository.clone_url || undefined,
    sshUrl: repository.ssh_url || undefined,
    allowMergeCommit: repository.allow_merge_commits ?? undefined,
    allowRebaseMerge: repository.allow_rebase ?? undefined,
    allowSquashMerge: repository.allow_squash_merge ?? undefined,
    deleteBranchOnMerge: repository.default_delete_branch_after_merge ?? undefined,
    ...(permissions && {
      permissions: {
        admin: permissions.admin ?? false,
        push: permissions.push ?? false,
        pull: permissions.pull ?? false,
      },
    }),
  };
}
