/** Reactions. Their words are GitHub's; their ids are ours, since the forge has none. */
import type { JsonObject } from '../../forge.js';
import { invalid, notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { time } from '../convert/time.js';
import {
  failedWith,
  idOf,
  issuePath,
  numberParam,
  objectOf,
  objectsOf,
  repoPath,
  textInput,
  textOf,
} from './native.js';
import { asUser } from './objects.js';
import { everything, pageIn } from './pages.js';
import { emulated } from './row.js';

/** Record: key is `repository path:thing:user id:content`, data `{ thing, user, content }`. It exists to give an id. */
const KIND = 'reaction';
const CONTENTS: ReadonlySet<string> = new Set(['+1', '-1', 'laugh', 'confused', 'heart', 'hooray', 'rocket', 'eyes']);

type Thing = (request: RouteRequest) => string;

const issueThing: Thing = (request) => `${issuePath(request)}/reactions`;
const commentThing: Thing = (request) =>
  `${repoPath(request)}/issues/comments/${numberParam(request, 'comment_id')}/reactions`;

/** Records are never keyed by paths: the repository stands for itself by its id. */
async function keyOf(request: RouteRequest, context: RouteContext, thing: Thing): Promise<string> {
  const repository = idOf(objectOf(await context.native.get(repoPath(request))));
  return `${repository}:${thing(request).slice(repoPath(request).length)}`;
}

async function asReaction(context: RouteContext, key: string, native: JsonObject): Promise<JsonObject> {
  const user = objectOf(native.user);
  const content = textOf(native, 'content');
  const userId = String(idOf(user));
  const data = { thing: key, user: userId, content };
  const place = `${key}:${userId}:${content}`;
  const record = (await context.records.get(KIND, place)) ?? (await context.records.put(KIND, place, data));
  return {
    id: record.id,
    node_id: nodeId('Reaction', record.id),
    user: asUser(context, user),
    content,
    created_at: time(native.created_at) ?? '1970-01-01T00:00:00Z',
  };
}

async function list(request: RouteRequest, context: RouteContext, thing: Thing) {
  const key = await keyOf(request, context, thing);
  // Only those of an issue come in pages; a server without them for comments answers the whole at once.
  const natives = objectsOf(
    thing === issueThing ? await everything(context, thing(request)) : await context.native.get(thing(request)),
  ).filter((native) => request.query.content === undefined || native.content === request.query.content);
  const answer = pageIn(request, natives);
  return {
    ...answer,
    data: await Promise.all(objectsOf(answer.data).map((native) => asReaction(context, key, native))),
  };
}

async function create(request: RouteRequest, context: RouteContext, thing: Thing) {
  const content = textInput(request, 'content') ?? '';
  if (!CONTENTS.has(content)) throw invalid('Reaction', 'content', content === '' ? 'missing_field' : 'invalid');
  const key = await keyOf(request, context, thing);
  try {
    const { status, data } = await context.native.send('POST', thing(request), { json: { content } });
    return { status: status === 200 ? 200 : 201, data: await asReaction(context, key, objectOf(data)) };
  } catch (error) {
    // The administrator may allow fewer.
    if (failedWith(error, 403)) throw invalid('Reaction', 'content', 'invalid');
    throw error;
  }
}

async function remove(request: RouteRequest, context: RouteContext, thing: Thing) {
  const key = await keyOf(request, context, thing);
  const record = await context.records.byId(KIND, numberParam(request, 'reaction_id'));
  // The forge takes away nobody's reaction but one's own.
  if (record?.data.thing !== key || record.data.user !== String(context.account.id)) throw notFound();
  await context.native.send('DELETE', thing(request), { json: { content: record.data.content } });
  await context.records.delete(KIND, record.key);
  return { status: 204 };
}

const NOTE = "Ids of reactions are given by Forgeway; only those of the token's own account can be deleted.";

const rows = (base: string, thing: Thing, source: string): RouteTable => ({
  [`GET ${base}`]: emulated('read', `issue: GET ${source}`, NOTE, (request, context) => list(request, context, thing)),
  [`POST ${base}`]: emulated('idempotent', `issue: POST ${source}`, NOTE, (request, context) =>
    create(request, context, thing),
  ),
  [`DELETE ${base}/{reaction_id}`]: emulated('idempotent', `issue: DELETE ${source}`, NOTE, (request, context) =>
    remove(request, context, thing),
  ),
});

const ISSUE = '/repos/{owner}/{repo}/issues/{index}/reactions';
const COMMENT = '/repos/{owner}/{repo}/issues/comments/{id}/reactions';

export const reactions: RouteTable = {
  ...rows('/repos/{owner}/{repo}/issues/{issue_number}/reactions', issueThing, ISSUE),
  ...rows('/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', commentThing, COMMENT),
  // A comment on a line is one of the same numbering.
  ...rows('/repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions', commentThing, COMMENT),
};
