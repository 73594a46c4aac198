/** Feeds, to-do items, what an account is notified of, and comments on commits. */
import type { AllEventOptions } from '@gitbeaker/rest';
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import {
  actorOf,
  allMembers,
  paged,
  paging,
  pagingOnly,
  parametersOf,
  projectFor,
  REPORTER,
  refuse,
} from './declare.js';
import type { FakeEvent } from './feed.js';
import { project as shownProject, user as shownUser } from './present.js';
import { freshDiscussion, newCommitDiscussion } from './routes-notes.js';
import { type GitLabState, type Note, type Project, projectById, type User, userById, type World } from './state.js';

type Todo = GitLabState['todos'][number];

const eventQuery = parametersOf<AllEventOptions>()(
  {
    action: z
      .enum([
        'created',
        'updated',
        'closed',
        'reopened',
        'pushed',
        'commented',
        'merged',
        'joined',
        'left',
        'destroyed',
      ])
      .optional(),
    target_type: z.enum(['issue', 'milestone', 'merge_request', 'note', 'project', 'snippet', 'user']).optional(),
    before: z.iso.date().optional(),
    after: z.iso.date().optional(),
    scope: z.enum(['all']).optional(),
    sort: z.enum(['asc', 'desc']).optional(),
  },
  paging,
);

export function feedRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const mayRead = (project: Project, reader: User): boolean =>
    project.visibility !== 'private' || allMembers(world, { project }).has(reader.id);
  const shown = (event: FakeEvent) => {
    const author = shownUser(world, userById(world, event.userId));
    return {
      id: event.id,
      title: null,
      project_id: event.projectId,
      author_id: event.userId,
      author,
      author_username: author.username,
      created_at: event.createdAt,
      imported: false,
      imported_from: 'none',
      ...event.shown,
    };
  };
  const feed = (
    path: string,
    source: string,
    keep: (request: FakeRequest) => (event: FakeEvent) => boolean,
  ): FakeRoute => ({
    method: 'GET',
    path,
    source,
    query: eventQuery,
    run(request) {
      const keeps = keep(request);
      const seen = state.events.filter(
        (one) => mayRead(projectById(world, one.projectId), actorOf(request)) && keeps(one),
      );
      return paged(request, seen.toReversed().map(shown));
    },
  });
  const target = (project: Project, { type, iid }: Todo) => {
    const threads = type === 'Issue' ? project.issues : project.mergeRequests;
    const found = threads.find((one) => one.iid === iid);
    return found && { id: found.id, iid: found.iid, title: found.title, state: found.state };
  };
  const settingsRoute = (path: string, idOf: (request: FakeRequest) => number): FakeRoute => ({
    method: 'GET',
    path: `${path}/notification_settings`,
    source: `notification_settings: GET ${path}/notification_settings`,
    run(request) {
      const id = idOf(request);
      const level = state.notificationLevels.get(`${actorOf(request).id}:${id}`);
      return { json: { level: level ?? (id === 0 ? 'participating' : 'global'), events: {} } };
    },
  });

  return [
    feed('/projects/:id/events', 'events: GET /projects/:project_id/events', (request) => {
      const { id } = projectFor(world, request);
      return ({ projectId }) => projectId === id;
    }),
    feed('/users/:user/events', 'events: GET /users/:id/events', (request) => {
      const { id } =
        state.users.find((one) => one.id === Number(request.params.user)) ?? refuse(404, '404 User Not Found');
      return ({ userId }) => userId === id;
    }),
    feed('/events', 'events: GET /events', (request) => {
      const { id } = actorOf(request);
      const isAll = request.query.get('scope') === 'all';
      return ({ userId, projectId }) =>
        userId === id || (isAll && allMembers(world, { project: projectById(world, projectId) }).has(id));
    }),
    settingsRoute('', () => 0),
    settingsRoute('/projects/:id', (request) => projectFor(world, request).id),
    {
      method: 'GET',
      path: '/todos',
      source: 'todos: GET /todos',
      query: z.strictObject({
        ...paging,
        project_id: parameter.integer.optional(),
        state: z.enum(['pending', 'done']).optional(),
        type: z
          .enum(['Issue', 'MergeRequest', 'Commit', 'Epic', 'DesignManagement::Design', 'AlertManagement::Alert'])
          .optional(),
        action: z.string().optional(),
      }),
      run(request) {
        const wanted = request.query.get('state') ?? 'pending';
        const of = request.query.get('project_id');
        const mine = state.todos.filter(
          (one) =>
            one.userId === actorOf(request).id && one.state === wanted && (of === null || one.projectId === Number(of)),
        );
        return paged(
          request,
          mine.map((one) => {
            const project = projectById(world, one.projectId);
            return {
              id: one.id,
              project: shownProject(world, project),
              author: shownUser(world, userById(world, one.authorId)),
              action_name: one.action,
              target_type: one.type,
              target: target(project, one) ?? null,
              target_url: `${world.web}/${project.fullPath}`,
              body: one.body,
              state: one.state,
              created_at: one.at,
              updated_at: one.at,
            };
          }),
        );
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/repository/contributors',
      source: 'repositories: GET /projects/:id/repository/contributors',
      query: z.strictObject({
        ...paging,
        ref: z.string().optional(),
        order_by: z.enum(['name', 'email', 'commits']).optional(),
        sort: z.enum(['asc', 'desc']).optional(),
      }),
      async run(request) {
        const project = projectFor(world, request, REPORTER);
        const head = (await project.git.resolve(project.defaultBranch)) ?? refuse(404, '404 Not Found');
        const counts = new Map<string, { name: string; email: string; commits: number }>();
        for (const sha of await project.git.log(head)) {
          const author = (await project.git.readCommit(sha))?.author;
          if (author === undefined) continue;
          const before = counts.get(author.email)?.commits ?? 0;
          counts.set(author.email, { name: author.name, email: author.email, commits: before + 1 });
        }
        const sign = request.query.get('sort') === 'desc' ? -1 : 1;
        const all = [...counts.values()].sort((a, b) => sign * (a.commits - b.commits));
        return paged(
          request,
          all.map((one) => ({ ...one, additions: 0, deletions: 0 })),
        );
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/repository/commits/:sha/discussions',
      source: 'discussions: GET /projects/:id/repository/commits/:commit_id/discussions',
      query: pagingOnly,
      async run(request) {
        const project = projectFor(world, request);
        const sha = (await project.git.resolve(request.params.sha ?? '')) ?? refuse(404, '404 Commit Not Found');
        const said = state.commitNotes.filter((one) => one.projectId === project.id && one.sha === sha);
        return paged(
          request,
          said.map(({ note }) => commitDiscussion(world, project, note)),
        );
      },
    },
    {
      method: 'POST',
      path: '/projects/:id/repository/commits/:sha/discussions',
      source: 'discussions: POST /projects/:id/repository/commits/:commit_id/discussions',
      body: newCommitDiscussion,
      async run(request) {
        const project = projectFor(world, request, REPORTER);
        const sha = (await project.git.resolve(request.params.sha ?? '')) ?? refuse(404, '404 Commit Not Found');
        const { body, position } = request.body as z.output<typeof newCommitDiscussion>;
        if (position?.position_type === 'text' && !position.old_line && !position.new_line)
          return refuse(400, 'Note {:line_code=>["can\'t be blank", "must be a valid line code"]}');
        const now = world.now();
        const note: Note = {
          id: world.nextId(),
          discussionId: freshDiscussion(world),
          type: position ? 'DiffNote' : 'DiscussionNote',
          body,
          authorId: actorOf(request).id,
          system: false,
          createdAt: now,
          updatedAt: now,
          awards: [],
          ...(position && {
            position: { ...position, old_line: position.old_line ?? null, new_line: position.new_line ?? null },
          }),
        };
        state.commitNotes.push({ projectId: project.id, sha, note });
        return { status: 201, json: commitDiscussion(world, project, note) };
      },
    },
  ];
}

function commitDiscussion(world: World, project: Project, note: Note) {
  return {
    id: note.discussionId,
    individual_note: note.type === null,
    notes: [
      {
        id: note.id,
        type: note.type,
        body: note.body,
        attachment: null,
        author: shownUser(world, userById(world, note.authorId)),
        created_at: note.createdAt,
        updated_at: note.updatedAt,
        system: note.system,
        noteable_id: null,
        noteable_type: 'Commit',
        project_id: project.id,
        resolvable: false,
        confidential: false,
        internal: false,
        noteable_iid: null,
        ...(note.position && { position: note.position }),
      },
    ],
  };
}
