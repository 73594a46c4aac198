/** The fake's data as GitLab's API shows it. The client library's types say which fields there are. */
import type {
  AwardEmojiSchema,
  DiscussionNoteSchema,
  DiscussionSchema,
  IssueSchema,
  MemberSchema,
  MilestoneSchema,
  ProjectSchema,
  SimpleLabelSchema,
  SimpleUserSchema,
} from '@gitbeaker/rest';
import {
  type Award,
  type Group,
  type Issue,
  type Label,
  type Milestone,
  type Note,
  type Project,
  projectById,
  type Thread,
  type User,
  userById,
  type World,
} from './state.js';

type ShownUser = Pick<SimpleUserSchema, 'id' | 'username' | 'name' | 'state' | 'avatar_url' | 'web_url'>;

export const user = (world: World, of: User): ShownUser & { locked: boolean } => ({
  id: of.id,
  username: of.username,
  name: of.name,
  state: 'active',
  locked: false,
  avatar_url: `${world.web}/uploads/-/system/user/avatar/${of.id}/avatar.png`,
  web_url: `${world.web}/${of.username}`,
});

export const person = (world: World, id: number | null) => (id === null ? null : user(world, userById(world, id)));

export const group = (world: World, of: Group) => ({
  id: of.id,
  name: of.name,
  path: of.path,
  full_path: of.fullPath,
  full_name: of.fullPath.replaceAll('/', ' / '),
  parent_id: of.parentId,
  description: of.description,
  visibility: 'public',
  avatar_url: null,
  web_url: `${world.web}/groups/${of.fullPath}`,
});

function namespace(world: World, of: Project) {
  if (of.namespace.kind === 'user') {
    const owner = userById(world, of.namespace.id);
    return {
      id: 100_000 + owner.id,
      name: owner.name,
      path: owner.username,
      kind: 'user',
      full_path: owner.username,
      parent_id: null,
      web_url: `${world.web}/${owner.username}`,
      avatar_url: null,
    };
  }
  const found = world.state.groups.find(({ id }) => id === of.namespace.id);
  const { id, name, path, fullPath, parentId } = found ?? { id: 0, name: '', path: '', fullPath: '', parentId: null };
  return {
    id,
    name,
    path,
    kind: 'group',
    full_path: fullPath,
    parent_id: parentId,
    web_url: `${world.web}/groups/${fullPath}`,
    avatar_url: null,
  };
}

export const webUrl = (world: World, of: Project): string => `${world.web}/${of.fullPath}`;

export function project(world: World, of: Project, level?: number) {
  const forked = of.forkedFromId === null ? undefined : projectById(world, of.forkedFromId);
  const shown = {
    id: of.id,
    name: String(of.settings.name ?? of.path),
    path: of.path,
    path_with_namespace: of.fullPath,
    name_with_namespace: of.fullPath.replaceAll('/', ' / '),
    description: of.description,
    visibility: of.visibility,
    default_branch: of.defaultBranch,
    archived: of.archived,
    topics: of.topics,
    created_at: of.createdAt,
    updated_at: of.updatedAt,
    last_activity_at: of.updatedAt,
    web_url: webUrl(world, of),
    http_url_to_repo: `${webUrl(world, of)}.git`,
    ssh_url_to_repo: `git@${new URL(world.web).hostname}:${of.fullPath}.git`,
    star_count: 0,
    forks_count: world.state.projects.filter((one) => one.forkedFromId === of.id).length,
    open_issues_count: of.issues.filter((issue) => issue.state === 'opened').length,
    issues_enabled: of.settings.issues_access_level !== 'disabled',
    wiki_enabled: of.settings.wiki_access_level !== 'disabled',
    merge_method: String(of.settings.merge_method ?? 'merge'),
    squash_option: String(of.settings.squash_option ?? 'default_off'),
    remove_source_branch_after_merge: of.settings.remove_source_branch_after_merge === true,
  } satisfies Partial<ProjectSchema>;
  return {
    ...shown,
    namespace: namespace(world, of),
    ...(of.namespace.kind === 'user' && {
      owner: { id: of.namespace.id, name: userById(world, of.namespace.id).name },
    }),
    ...(forked && {
      forked_from_project: {
        id: forked.id,
        path: forked.path,
        path_with_namespace: forked.fullPath,
        visibility: forked.visibility,
        default_branch: forked.defaultBranch,
        web_url: webUrl(world, forked),
        namespace: namespace(world, forked),
      },
    }),
    shared_with_groups: of.shares.map(({ groupId, level: access }) => {
      const shared = world.state.groups.find(({ id }) => id === groupId);
      return {
        group_id: groupId,
        group_name: shared?.name ?? '',
        group_full_path: shared?.fullPath ?? '',
        group_access_level: access,
        expires_at: null,
      };
    }),
    ...(level !== undefined && {
      permissions: {
        project_access: level === 0 ? null : { access_level: level, notification_level: 3 },
        group_access: null,
      },
    }),
  };
}

export const label = (of: Label): SimpleLabelSchema => ({
  id: of.id,
  name: of.name,
  color: of.color,
  description: of.description,
  description_html: of.description ?? '',
  text_color: '#FFFFFF',
});

export const milestone = (world: World, in_: Project, of: Milestone): MilestoneSchema => ({
  id: of.id,
  iid: of.iid,
  project_id: in_.id,
  title: of.title,
  description: of.description,
  state: of.state,
  due_date: of.dueDate ?? undefined,
  start_date: '',
  created_at: of.createdAt,
  updated_at: of.updatedAt,
  expired: false,
  web_url: `${webUrl(world, in_)}/-/milestones/${of.iid}`,
});

export const member = (world: World, id: number, level: number): Partial<MemberSchema> => ({
  ...user(world, userById(world, id)),
  access_level: level as MemberSchema['access_level'],
  expires_at: undefined,
});

export const labelsOf = (in_: Project, of: Thread): Label[] =>
  of.labelIds.flatMap((id) => in_.labels.find((one) => one.id === id) ?? []);

/** What issues and merge requests show alike. */
export function thread(world: World, in_: Project, of: Thread, detailed: boolean) {
  const labels = labelsOf(in_, of);
  const found = in_.milestones.find(({ id }) => id === of.milestoneId);
  const kind = of.kind === 'Issue' ? 'issues' : 'merge_requests';
  const sign = of.kind === 'Issue' ? '#' : '!';
  return {
    id: of.id,
    iid: of.iid,
    project_id: in_.id,
    title: of.title,
    description: of.description,
    state: of.state,
    created_at: of.createdAt,
    updated_at: of.updatedAt,
    closed_at: of.closedAt,
    author: user(world, userById(world, of.authorId)),
    assignees: of.assigneeIds.map((id) => user(world, userById(world, id))),
    assignee: person(world, of.assigneeIds[0] ?? null),
    labels: detailed ? labels.map(label) : labels.map(({ name }) => name),
    milestone: found ? milestone(world, in_, found) : null,
    discussion_locked: of.locked ? true : null,
    user_notes_count: of.notes.filter((note) => !note.system).length,
    upvotes: 0,
    downvotes: 0,
    web_url: `${webUrl(world, in_)}/-/${kind}/${of.iid}`,
    references: { short: `${sign}${of.iid}`, relative: `${sign}${of.iid}`, full: `${in_.fullPath}${sign}${of.iid}` },
  };
}

export const issue = (world: World, in_: Project, of: Issue, detailed = false) => {
  const {
    labels,
    closed_at,
    milestone: found,
    discussion_locked,
    assignee,
    ...rest
  } = thread(world, in_, of, detailed);
  const shown = { ...rest, type: 'ISSUE', confidential: of.confidential } satisfies Partial<IssueSchema>;
  return { ...shown, labels, closed_at, milestone: found, discussion_locked, assignee };
};

export const note = (world: World, on: Thread, of: Note): DiscussionNoteSchema => ({
  id: of.id,
  type: of.type,
  body: of.body,
  attachment: null,
  author: user(world, userById(world, of.authorId)),
  created_at: of.createdAt,
  updated_at: of.updatedAt,
  system: of.system,
  internal: of.internal ?? false,
  confidential: of.internal ?? false,
  noteable_id: on.id,
  noteable_type: on.kind,
  noteable_iid: on.iid,
  resolvable: of.type !== null,
  ...(of.type !== null && {
    resolved: of.resolvedById !== undefined,
    resolved_by: person(world, of.resolvedById ?? null) ?? undefined,
  }),
  ...(of.position && { position: of.position }),
});

export const discussion = (world: World, on: Thread, notes: readonly Note[]): DiscussionSchema => ({
  id: notes[0]?.discussionId ?? '',
  individual_note: notes.length === 1 && notes[0]?.type === null,
  notes: notes.map((one) => note(world, on, one)),
});

export const award = (world: World, on: { id: number; type: string }, of: Award): Partial<AwardEmojiSchema> => ({
  id: of.id,
  name: of.name,
  user: { ...user(world, userById(world, of.userId)), created_at: of.createdAt },
  created_at: of.createdAt,
  updated_at: of.createdAt,
  awardable_id: on.id,
  awardable_type: on.type,
});
