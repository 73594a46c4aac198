import { z } from 'zod';
import type { RepositoryInput } from '../../kit/shapes/inputs.js';
import { ownerOf } from '../references.js';
import { id, time } from './read.js';

const access = z.looseObject({ access_level: z.number() }).nullish();

export const nativeProject = z.looseObject({
  id,
  path: z.string(),
  path_with_namespace: z.string(),
  description: z.string().nullish(),
  visibility: z.enum(['public', 'internal', 'private']).optional(),
  web_url: z.string(),
  default_branch: z.string().nullish(),
  archived: z.boolean().optional(),
  topics: z.array(z.string()).nullish(),
  created_at: z.string().optional(),
  updated_at: z.string().optional(),
  last_activity_at: z.string().optional(),
  star_count: z.number().optional(),
  forks_count: z.number().optional(),
  open_issues_count: z.number().optional(),
  issues_enabled: z.boolean().optional(),
  wiki_enabled: z.boolean().optional(),
  http_url_to_repo: z.string().optional(),
  ssh_url_to_repo: z.string().optional(),
  merge_method: z.string().optional(),
  squash_option: z.string().optional(),
  remove_source_branch_after_merge: z.boolean().nullish(),
  forked_from_project: z.looseObject({ id }).nullish(),
  owner: z.looseObject({ id }).nullish(),
  namespace: z
    .looseObject({ id, kind: z.string().optional(), web_url: z.string().nullish(), avatar_url: z.string().nullish() })
    .optional(),
  permissions: z.looseObject({ project_access: access, group_access: access }).nullish(),
  shared_with_groups: z
    .array(z.looseObject({ group_id: id, group_full_path: z.string(), group_access_level: z.number() }))
    .nullish(),
});
export type NativeProject = z.output<typeof nativeProject>;

/** Highest of the ways in which the token reaches the project; undefined when GitLab does not tell. */
function accessLevel(project: NativeProject): number | undefined {
  if (!project.permissions) return undefined;
  return Math.max(
    project.permissions.project_access?.access_level ?? 0,
    project.permissions.group_access?.access_level ?? 0,
  );
}

function permissions(project: NativeProject): RepositoryInput['permissions'] {
  const level = accessLevel(project);
  if (level === undefined) return undefined;
  return { admin: level >= 50, maintain: level >= 40, push: level >= 30, triage: level >= 20, pull: level >= 10 };
}

export function repositoryInput(project: NativeProject): RepositoryInput {
  const isGroup = project.namespace?.kind === 'group';
  const namespaceId = project.namespace?.id ?? 0;
  return {
    id: project.id,
    owner: {
      id: isGroup ? namespaceId : (project.owner?.id ?? namespaceId),
      login: ownerOf(project.path_with_namespace),
      htmlUrl: project.namespace?.web_url ?? undefined,
      avatarUrl: project.namespace?.avatar_url ?? null,
      type: isGroup ? 'Organization' : 'User',
    },
    name: project.path,
    htmlUrl: project.web_url,
    description: project.description ?? null,
    // A project that is listed without its visibility is treated as the most careful one.
    visibility: project.visibility ?? 'private',
    fork: Boolean(project.forked_from_project),
    defaultBranch: project.default_branch ?? undefined,
    archived: project.archived,
    topics: project.topics ?? [],
    createdAt: time(project.created_at),
    updatedAt: time(project.updated_at ?? project.last_activity_at),
    pushedAt: time(project.last_activity_at),
    starCount: project.star_count,
    forkCount: project.forks_count,
    openIssueCount: project.open_issues_count,
    hasIssues: project.issues_enabled,
    hasWiki: project.wiki_enabled,
    cloneUrl: project.http_url_to_repo,
    sshUrl: project.ssh_url_to_repo,
    allowMergeCommit: project.merge_method === undefined ? undefined : project.merge_method !== 'ff',
    allowRebaseMerge: project.merge_method === undefined ? undefined : project.merge_method !== 'merge',
    allowSquashMerge: project.squash_option === undefined ? undefined : project.squash_option !== 'never',
    deleteBranchOnMerge: project.remove_source_branch_after_merge ?? undefined,
    permissions: permissions(project),
  };
}
