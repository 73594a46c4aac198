/** What people belong to and keep for themselves: groups and snippets. GitLab's REST tells them of the token's account only. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { notFound, type Route, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import { UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { organizationInput } from '../convert/group.js';
import { id, read, time } from '../convert/read.js';
import { account, nativeUser } from '../convert/user.js';
import { gid, ofUser } from './graphql-ask.js';
import { findUser } from './people.js';
import { idParam, param, slice } from './place.js';

const membership = z.looseObject({
  group: z
    .looseObject({
      id: gid,
      name: z.string(),
      path: z.string(),
      fullPath: z.string(),
      description: z.string().nullish(),
      avatarUrl: z.string().nullish(),
      webUrl: z.string().nullish(),
      visibility: z.string().nullish(),
    })
    .nullish(),
});
const GROUP = 'group { id name path fullPath description avatarUrl webUrl visibility }';

const organizations: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'graphql: User.groupMemberships',
  note: 'The public groups that somebody was made a member of; of the token’s own account all.',
  async run(request, context) {
    const login = param(request, 'username');
    const all = await ofUser(context, login, { name: 'groupMemberships', nodes: GROUP }, membership);
    const isOwn = login.toLowerCase() === context.account.login.toLowerCase();
    const groups = all.flatMap(({ group }) => (group && (isOwn || group.visibility === 'public') ? [group] : []));
    const { items, pages } = slice(request, groups);
    const data = items.map(({ fullPath, avatarUrl, webUrl, ...group }) => {
      const native = { ...group, full_path: fullPath, avatar_url: avatarUrl, web_url: webUrl ?? undefined };
      return shape.organization(context.base, organizationInput(native), group.description || null);
    });
    return { data, pages };
  },
};

const snippet = z.looseObject({
  id: gid,
  title: z.string(),
  description: z.string().nullish(),
  fileName: z.string().nullish(),
  visibilityLevel: z.string(),
  createdAt: z.string().nullish(),
  updatedAt: z.string().nullish(),
  webUrl: z.string(),
  rawUrl: z.string().nullish(),
});
const SNIPPET = 'id title description fileName visibilityLevel createdAt updatedAt webUrl rawUrl';

const gistFile = (filename: string, rawUrl: string, size: number): JsonObject => ({
  filename,
  type: 'text/plain',
  language: null,
  raw_url: rawUrl,
  size,
});

type Told = Pick<
  z.output<typeof snippet>,
  'id' | 'title' | 'description' | 'visibilityLevel' | 'createdAt' | 'updatedAt' | 'webUrl'
>;

function gist(context: RouteContext, owner: JsonObject, native: Told, files: readonly JsonObject[]): JsonObject {
  const url = `${context.base.api}/gists/${native.id}`;
  const created = time(native.createdAt) ?? UNKNOWN_TIME;
  return {
    id: String(native.id),
    node_id: nodeId('Gist', native.id),
    url,
    forks_url: `${url}/forks`,
    commits_url: `${url}/commits`,
    comments_url: `${url}/comments`,
    html_url: native.webUrl,
    git_pull_url: `${native.webUrl}.git`,
    git_push_url: `${native.webUrl}.git`,
    files: Object.fromEntries(files.map((file) => [file.filename, file])),
    public: native.visibilityLevel === 'public',
    created_at: created,
    updated_at: time(native.updatedAt) ?? created,
    description: native.description || native.title,
    comments: 0,
    comments_enabled: true,
    user: null,
    owner,
    truncated: false,
  };
}

const gists: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'graphql: User.snippets',
  note: 'Personal snippets, the public ones of others. The size of their file is not told.',
  async run(request, context) {
    const login = param(request, 'username');
    const all = await ofUser(
      context,
      login,
      { name: 'snippets', arguments: 'type: PERSONAL', nodes: SNIPPET },
      snippet,
    );
    const isOwn = login.toLowerCase() === context.account.login.toLowerCase();
    const since = request.query.since === undefined ? undefined : Date.parse(request.query.since);
    const wanted = all.filter(
      ({ visibilityLevel, updatedAt }) =>
        (isOwn || visibilityLevel === 'public') && (since === undefined || Date.parse(updatedAt ?? '') >= since),
    );
    const { items, pages } = slice(request, wanted);
    const user = items.length === 0 ? undefined : await findUser(context, login);
    const owner = shape.userOrGhost(context.base, user && account(user));
    const shown = items.map((one) => {
      const file = gistFile(one.fileName || one.title, one.rawUrl ?? one.webUrl, 0);
      return gist(context, owner, one, [file]);
    });
    return { data: shown, pages };
  },
};

/** One snippet by its number, as the REST tells it. */
const nativeSnippet = z.looseObject({
  id,
  title: z.string(),
  description: z.string().nullish(),
  visibility: z.string(),
  author: nativeUser.nullish(),
  created_at: z.string().nullish(),
  updated_at: z.string().nullish(),
  web_url: z.string(),
  raw_url: z.string().nullish(),
  project_id: id.nullish(),
  file_name: z.string().nullish(),
  files: z.array(z.looseObject({ path: z.string(), raw_url: z.string() })).nullish(),
});
type NativeSnippet = z.output<typeof nativeSnippet>;

const SOURCE = 'snippets: GET /snippets/:id';
/** GitHub's bound for what it writes into an answer. */
const MOST_SHOWN = 1024 * 1024;

/** @throws RouteFailure 404 for one of a project, which is no gist of anybody's */
async function snippetAt(request: RouteRequest, context: RouteContext): Promise<NativeSnippet> {
  const path = `/snippets/${idParam(request, 'gist_id')}`;
  const native = read(nativeSnippet, await context.native.get(path), 'snippet');
  if (native.project_id != null) throw notFound();
  return native;
}

/** `.../-/snippets/7/raw/main/a/b.sh` names the branch; a snippet without a repository has neither. */
function contentPath(native: NativeSnippet, file: { path: string; raw_url: string }): string {
  const [, ref] = /\/snippets\/\d+\/raw\/([^/]+)\//.exec(file.raw_url) ?? [];
  return ref === undefined
    ? `/snippets/${native.id}/raw`
    : `/snippets/${native.id}/files/${ref}/${segment(file.path)}/raw`;
}

async function withContent(context: RouteContext, native: NativeSnippet): Promise<JsonObject[]> {
  const name = native.file_name || native.title;
  const files = native.files?.length ? native.files : [{ path: name, raw_url: native.raw_url ?? native.web_url }];
  const shown: JsonObject[] = [];
  for (const file of files) {
    const { data } = await context.native.send('GET', contentPath(native, file), { as: 'bytes' });
    const bytes = data as Buffer;
    shown.push({
      ...gistFile(file.path, file.raw_url, bytes.length),
      truncated: bytes.length > MOST_SHOWN,
      content: bytes.subarray(0, MOST_SHOWN).toString('utf8'),
      encoding: 'utf-8',
    });
  }
  return shown;
}

const oneGist: Route = {
  support: 'emulated',
  retry: 'read',
  source: `${SOURCE}, GET /snippets/:id/raw, GET /snippets/:id/files/:ref/:file_path/raw`,
  note: 'A personal snippet with its files. It has no forks, and no history that is told.',
  async run(request, context) {
    const native = await snippetAt(request, context);
    const owner = shape.userOrGhost(context.base, native.author && account(native.author));
    const told = {
      ...{ id: native.id, title: native.title, description: native.description, visibilityLevel: native.visibility },
      ...{ createdAt: native.created_at, updatedAt: native.updated_at, webUrl: native.web_url },
    };
    return { data: { ...gist(context, owner, told, await withContent(context, native)), forks: [], history: [] } };
  },
};

const forks: Route = {
  support: 'emulated',
  retry: 'read',
  source: SOURCE,
  note: 'Nobody can fork a snippet: always empty.',
  async run(request, context) {
    await snippetAt(request, context);
    return { data: [], pages: { next: false } };
  },
};

export const ofPeople: RouteTable = {
  'GET /users/{username}/orgs': organizations,
  'GET /users/{username}/gists': gists,
  'GET /gists/{gist_id}': oneGist,
  'GET /gists/{gist_id}/forks': forks,
};
