/** What people belong to and keep for themselves: groups and snippets. GitLab's REST tells them of the token's account only. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import type { Route, RouteContext, RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import { UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { organizationInput } from '../convert/group.js';
import { time } from '../convert/read.js';
import { account } from '../convert/user.js';
import { gid, ofUser } from './graphql-ask.js';
import { findUser } from './people.js';
import { param, slice } from './place.js';

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

function gist(context: RouteContext, owner: JsonObject, native: z.output<typeof snippet>): JsonObject {
  const url = `${context.base.api}/gists/${native.id}`;
  const name = native.fileName || native.title;
  const created = time(native.createdAt) ?? UNKNOWN_TIME;
  const file = { filename: name, type: 'text/plain', language: null, raw_url: native.rawUrl ?? native.webUrl, size: 0 };
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
    files: { [name]: file },
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
    return { data: items.map((one) => gist(context, owner, one)), pages };
  },
};

export const ofPeople: RouteTable = {
  'GET /users/{username}/orgs': organizations,
  'GET /users/{username}/gists': gists,
};
