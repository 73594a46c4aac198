/** Comments on commits. GitHub names them by their id alone, GitLab below their commit. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import {
  notFound,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { userOrGhost } from '../../kit/shapes/account.js';
import { commitComment } from '../../kit/shapes/comment.js';
import { UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { nativeCommit, nativeDiff } from '../convert/commit.js';
import { COMMIT_COMMENT, commentedCommit, placeOfCommitComment } from '../convert/commit-comment.js';
import { type NativeNote, nativeDiscussion } from '../convert/note.js';
import { contentOf } from '../convert/reaction.js';
import { read, time } from '../convert/read.js';
import { account, accountOrNull } from '../convert/user.js';
import { toGitHubBody, toNativeBody } from '../quick-actions.js';
import { shaAt } from './commit-at.js';
import { askGraphql, gid } from './graphql-ask.js';
import { accept, everything, idParam, type Place, param, placeOf, projectAt, slice } from './place.js';
import { lineComment, positionIn } from './review-position.js';

/** Commits whose comments one list reads; those with the newest that were told. */
const MOST_COMMITS = 30;

interface Told {
  sha: string;
  note: NativeNote;
}

/** Everything that people said about a commit, the oldest first; remembered, so that each is found by its id. */
async function toldOf(context: RouteContext, place: Place, project: number | string, sha: string): Promise<Told[]> {
  const discussions = await everything(context, `${place.api}/repository/commits/${sha}/discussions`, nativeDiscussion);
  const notes = discussions.flatMap((one) => one.notes).filter(({ system }) => !system);
  await context.records.putAll(
    COMMIT_COMMENT,
    notes.map(({ id }) => ({ key: placeOfCommitComment(project, id), data: { sha } })),
  );
  return notes.map((note) => ({ sha, note }));
}

function shown(context: RouteContext, place: Place, { sha, note }: Told): JsonObject {
  const at = note.position;
  return commitComment(context.base, place.owner, place.repo, {
    id: note.id,
    htmlUrl: `${context.base.web}/${place.path}/-/commit/${sha}#note_${note.id}`,
    body: toGitHubBody(note.body),
    author: accountOrNull(note.author),
    createdAt: time(note.created_at),
    updatedAt: time(note.updated_at),
    sha,
    path: at?.new_path ?? at?.old_path ?? null,
    line: at?.new_line ?? at?.old_line ?? null,
  });
}

const byTime = (a: Told, b: Told): number => Date.parse(a.note.created_at) - Date.parse(b.note.created_at);

const ofCommit: Route = {
  support: 'exact',
  retry: 'read',
  source: 'discussions: GET /projects/:id/repository/commits/:commit_id/discussions',
  async run(request, context) {
    const place = placeOf(request);
    const { id: project } = await projectAt(context, place.api);
    const sha = await shaAt(context, place, param(request, 'commit_sha'));
    const { items, pages } = slice(request, (await toldOf(context, place, project, sha)).sort(byTime));
    return { data: items.map((one) => shown(context, place, one)), pages };
  },
};

const said = z.looseObject({
  body: z.string().min(1),
  path: z.string().min(1).nullish(),
  /** Lines below the first hunk header. */
  position: z.number().int().positive().nullish(),
  /** GitHub's older way: the number of the line in the file. */
  line: z.number().int().positive().nullish(),
});

/** Where in the commit's own diff, as GitLab wants it; undefined for what is said about the whole commit. */
async function positionFor(context: RouteContext, place: Place, sha: string, wish: z.output<typeof said>) {
  const { path, position, line, body } = wish;
  if (!path) return undefined;
  const at = `${place.api}/repository/commits/${sha}`;
  const commit = read(nativeCommit, await context.native.get(at), 'commit');
  // The first commit has nothing before it that GitLab could compare it with.
  const [parent] = commit.parent_ids ?? [];
  if (parent === undefined) return undefined;
  const comment = lineComment.parse({
    ...{ body, path },
    ...(position ? { position } : line ? { line } : { subject_type: 'file' }),
  });
  const diffs = await everything(context, `${at}/diff`, nativeDiff);
  return positionIn(diffs, { base_sha: parent, start_sha: parent, head_sha: sha }, comment);
}

const create: Route = {
  support: 'emulated',
  retry: 'findable',
  source: 'discussions: POST /projects/:id/repository/commits/:commit_id/discussions',
  note: 'Each begins a thread. On a line of the very first commit it is of the whole commit.',
  async run(request, context) {
    const place = placeOf(request);
    const { id: project } = await projectAt(context, place.api);
    const wish = accept('CommitComment', said, request.body);
    const sha = await shaAt(context, place, param(request, 'commit_sha'));
    const position = await positionFor(context, place, sha, wish);
    const json = { body: toNativeBody(wish.body), ...(position && { position }) };
    const { data } = await context.native.send('POST', `${place.api}/repository/commits/${sha}/discussions`, { json });
    const [note] = read(nativeDiscussion, data, 'discussion').notes;
    if (note === undefined) throw new RouteFailure(502, 'GitLab answered a thread without its comment.');
    await context.records.put(COMMIT_COMMENT, placeOfCommitComment(project, note.id), { sha });
    return { status: 201, data: shown(context, place, { sha, note }) };
  },
};

const KNOWN = 'Those that an event told, or a list of the comments of a commit.';

const ofRepository: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'discussions: GET /projects/:id/repository/commits/:commit_id/discussions',
  note: `${KNOWN} Of the ${MOST_COMMITS} commits that were commented on last.`,
  async run(request, context) {
    const place = placeOf(request);
    const { id: project } = await projectAt(context, place.api);
    const records = await context.records.list(COMMIT_COMMENT, placeOfCommitComment(project, ''));
    const newest = records.toSorted((a, b) => b.id - a.id).map(({ data }) => read(commentedCommit, data, 'record').sha);
    const told: Told[] = [];
    for (const sha of [...new Set(newest)].slice(0, MOST_COMMITS)) {
      // A commit that was pushed away is gone, and what was said about it.
      const exists = (await context.native.find(`${place.api}/repository/commits/${sha}`)) !== undefined;
      if (exists) told.push(...(await toldOf(context, place, project, sha)));
    }
    const { items, pages } = slice(request, told.sort(byTime));
    return { data: items.map((one) => shown(context, place, one)), pages };
  },
};

/** @throws RouteFailure 404 when nothing ever told of this comment, or it is gone */
async function commentAt(request: RouteRequest, context: RouteContext, place: Place): Promise<Told> {
  const id = idParam(request, 'comment_id');
  const { id: project } = await projectAt(context, place.api);
  const record = await context.records.get(COMMIT_COMMENT, placeOfCommitComment(project, id));
  if (record === undefined) throw notFound();
  const { sha } = read(commentedCommit, record.data, 'record');
  const found = (await toldOf(context, place, project, sha)).find(({ note }) => String(note.id) === id);
  if (found === undefined) throw notFound();
  return found;
}

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'discussions: GET /projects/:id/repository/commits/:commit_id/discussions',
  note: KNOWN,
  async run(request, context) {
    const place = placeOf(request);
    return { data: shown(context, place, await commentAt(request, context, place)) };
  },
};

const awards = z.looseObject({
  note: z
    .looseObject({
      awardEmoji: z.looseObject({
        nodes: z.array(
          z.looseObject({
            name: z.string(),
            user: z.looseObject({ id: gid, username: z.string(), name: z.string().nullish() }),
          }),
        ),
      }),
    })
    .nullish(),
});

const QUERY =
  'query awards($id: NoteID!) { note(id: $id) { awardEmoji { nodes { name user { id username name } } } } }';

/** GitLab tells no number of these; the same reaction of the same person has the same one. */
const numberOf = (...of: readonly (string | number)[]): number =>
  createHash('sha256').update(of.join('\n')).digest().readUIntBE(0, 6);

const reactions: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'graphql: Query.note, Note.awardEmoji',
  note: 'Their numbers are made by us, and since when they are there is not told. A server whose GraphQL has no notes answers 501.',
  async run(request, context) {
    const { note } = await commentAt(request, context, placeOf(request));
    const told = await askGraphql(context, QUERY, { id: `gid://gitlab/Note/${note.id}` }, awards);
    const all = (told.note?.awardEmoji.nodes ?? []).flatMap(({ name, user }) => {
      const content = contentOf(name);
      if (content === undefined || (request.query.content ?? content) !== content) return [];
      const id = numberOf(note.id, user.id, name);
      const by = userOrGhost(context.base, account(user));
      return [{ id, node_id: nodeId('Reaction', id), user: by, content, created_at: UNKNOWN_TIME }];
    });
    const { items, pages } = slice(request, all);
    return { data: items, pages };
  },
};

export const commitComments: RouteTable = {
  'GET /repos/{owner}/{repo}/comments': ofRepository,
  'GET /repos/{owner}/{repo}/comments/{comment_id}': get,
  'GET /repos/{owner}/{repo}/comments/{comment_id}/reactions': reactions,
  'GET /repos/{owner}/{repo}/commits/{commit_sha}/comments': ofCommit,
  'POST /repos/{owner}/{repo}/commits/{commit_sha}/comments': create,
};
