/** Connecting a Gitea or Forgejo: what a token is and may do, its repositories, and their webhooks. */
import { z } from 'zod';
import type {
  Capability,
  ForgeAdministration,
  ForgeRepository,
  HookTarget,
  HookWish,
  NativeHook,
  TokenFacts,
} from '../administration.js';
import { type NativeClient, segment } from '../kit/native-client.js';
import { RouteFailure } from '../kit/route.js';
import { versionWarnings } from '../kit/server-version.js';
import { unlessRefused } from '../kit/unless-refused.js';

const id = z.union([z.number(), z.string()]).transform(BigInt);
const version = z.looseObject({ version: z.string() });
const user = z.looseObject({ id, login: z.string(), is_admin: z.boolean().nullish() });
const repository = z.looseObject({
  id,
  name: z.string(),
  owner: z.looseObject({ login: z.string() }),
  html_url: z.string(),
  private: z.boolean().nullish(),
  default_branch: z.string().nullish(),
  permissions: z.looseObject({ admin: z.boolean().nullish(), push: z.boolean().nullish() }).nullish(),
});
const hook = z.looseObject({
  id: z.union([z.number(), z.string()]).transform(String),
  active: z.boolean().nullish(),
  config: z.looseObject({ url: z.string() }),
  events: z.array(z.string()).nullish(),
  branch_filter: z.string().nullish(),
});

/** Servers answer this many at most by default, whatever is asked for, and some fewer. */
const PAGE = 50;
/** Of one list. A server that takes no notice of the page would answer the first one for ever. */
const MOST_PAGES = 1_000;
/** Among so many there is one that the token administers, or none that matters. */
const LOOKED_AT = 1_000;
const endless = (what: string) => new RouteFailure(502, `The forge’s list of ${what} has no end.`);
/** An id that nothing has: whether a write is refused for the token or for the object tells what the token may do. */
const NOTHING = 0;

/** Whatever a webhook can tell and we translate. */
const EVENTS = [
  'create',
  'delete',
  'push',
  'fork',
  'issues',
  'issue_assign',
  'issue_label',
  'issue_milestone',
  'issue_comment',
  'pull_request',
  'pull_request_assign',
  'pull_request_label',
  'pull_request_milestone',
  'pull_request_comment',
  'pull_request_review_approved',
  'pull_request_review_rejected',
  'pull_request_review_comment',
  'pull_request_sync',
  'pull_request_review_request',
  'repository',
  'release',
  'wiki',
];
/** Those that every version names in its answers as they were asked for. */
const TOLD_BY_ALL = [
  'create',
  'delete',
  'push',
  'issues',
  'issue_comment',
  'pull_request',
  'pull_request_sync',
  'release',
];
/** Not known to every version; one that refuses them gets the list without. */
const NEWER_EVENTS = ['package', 'status', 'workflow_run', 'workflow_job'];

function read<T extends z.ZodType>(type: T, data: unknown, what: string): z.output<T> {
  const parsed = type.safeParse(data);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') || 'the answer';
  throw new RouteFailure(502, `The forge's ${what} was not understood: ${field} is missing or of the wrong type.`);
}

const pathOf = (owner: string, name: string): string => `/repos/${segment(owner)}/${segment(name)}`;

/** Where hooks of a target live. @see the server's own /api/swagger: repoCreateHook, orgCreateHook, adminCreateHook */
function hooksPath(target: HookTarget): string {
  if (target.level === 'system') return '/admin/hooks';
  if (target.level === 'organization') return `/orgs/${segment(target.owner)}/hooks`;
  return `${pathOf(target.owner, target.name)}/hooks`;
}

/** How the server answers a request that is meant to find nothing: its status, 2xx as 200. */
async function statusOf(native: NativeClient, ...request: Parameters<NativeClient['send']>): Promise<number> {
  try {
    await native.send(...request);
    return 200;
  } catch (error) {
    if (error instanceof RouteFailure) return error.status;
    throw error;
  }
}

/**
 * Scopes cannot be asked for, so they are tried on things that do not exist: a token that may not is refused before
 * anything is looked for.
 */
async function measure(
  native: NativeClient,
  isAdmin: boolean,
  first: ForgeRepository | undefined,
): Promise<Capability[]> {
  if (first === undefined) return isAdmin ? ['read', 'admin'] : ['read'];
  const path = pathOf(first.owner, first.name);
  const refused = (status: number) => status === 401 || status === 403;
  const comment = await statusOf(native, 'PATCH', `${path}/issues/comments/${NOTHING}`, { json: { body: ' ' } });
  const hooks = await statusOf(native, 'DELETE', `${path}/hooks/${NOTHING}`);
  return [
    'read',
    ...(refused(comment) ? [] : (['comment'] as const)),
    ...(refused(hooks) ? [] : (['status', 'hooks'] as const)),
    ...(isAdmin ? (['admin'] as const) : []),
  ];
}

const OLDEST = {
  gitea: { label: 'Gitea', oldest: [1, 20] },
  forgejo: { label: 'Forgejo', oldest: [7, 0] },
} as const;

const editionOf = (text: string): keyof typeof OLDEST => (/gitea-\d/.test(text) ? 'forgejo' : 'gitea');

async function* repositories(native: NativeClient): AsyncIterable<ForgeRepository> {
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const data = await native.get('/user/repos', { page, limit: PAGE });
    const list = read(z.array(repository), data, 'list of repositories');
    for (const one of list)
      yield {
        id: one.id,
        owner: one.owner.login,
        name: one.name,
        url: one.html_url,
        private: one.private ?? true,
        defaultBranch: one.default_branch ?? null,
        mayHook: one.permissions?.admin ?? undefined,
        mayPush: one.permissions?.push ?? undefined,
      };
    if (list.length === 0) return;
  }
  throw endless('repositories');
}

async function firstWritable(native: NativeClient): Promise<ForgeRepository | undefined> {
  let first: ForgeRepository | undefined;
  let looked = 0;
  for await (const one of repositories(native)) {
    first ??= one;
    looked += 1;
    if (one.mayHook === true || looked >= LOOKED_AT) return one.mayHook === true ? one : first;
  }
  return first;
}

async function probe(native: NativeClient): Promise<TokenFacts> {
  const account = read(user, await native.get('/user'), 'user');
  const server = await unlessRefused(async () => read(version, await native.get('/version'), 'version').version);
  const first = await firstWritable(native);
  const capabilities = await measure(native, account.is_admin ?? false, first);
  const edition = editionOf(server ?? '');
  const warnings: string[] = versionWarnings(server ?? '', OLDEST[edition]);
  if (first === undefined)
    warnings.push('The token reaches no repository yet, so what it may do could not be measured.');
  else {
    if (!capabilities.includes('comment'))
      warnings.push('The token lacks the scope "write:issue": nothing can be commented.');
    if (!capabilities.includes('hooks'))
      warnings.push(
        'The token lacks the scope "write:repository", or administers no repository: no webhook can be created and no status set.',
      );
  }
  return {
    version: server ?? '',
    edition,
    account: { id: account.id, login: account.login },
    // There is no other kind of account.
    isPerson: true,
    scopes: [],
    capabilities,
    warnings,
    // Whether it is one for Forgeway alone cannot be seen.
    notes: [`Comments stand under the name of ${account.login}: best is an account that Forgeway has for itself.`],
    expiresAt: null,
  };
}

const ALL_BRANCHES = '*';

/** A version that does not tell the events is believed to send them. */
function unheardOf({ events, branch_filter: filter }: z.output<typeof hook>): string[] {
  const missing = events ? TOLD_BY_ALL.filter((name) => !events.includes(name)) : [];
  return filter && filter !== ALL_BRANCHES && filter !== '**' ? [...missing, `branches other than ${filter}`] : missing;
}

const asHook = (native: z.output<typeof hook>): NativeHook => ({
  id: native.id,
  url: native.config.url,
  active: native.active ?? false,
  // What became of deliveries is shown on its pages only.
  trouble: undefined,
  unheard: unheardOf(native),
});

const settings = (wish: HookWish, events: readonly string[]) => ({
  active: true,
  branch_filter: ALL_BRANCHES,
  config: { url: wish.url, content_type: 'json', secret: wish.secret },
  events,
});

/** With every event, or without the newer ones where the server refuses a name that it does not know. */
async function tolerant<T>(write: (events: readonly string[]) => Promise<T>): Promise<T> {
  try {
    return await write([...EVENTS, ...NEWER_EVENTS]);
  } catch (error) {
    if (!(error instanceof RouteFailure) || error.status !== 422) throw error;
    return write(EVENTS);
  }
}

const write = (native: NativeClient, method: 'POST' | 'PATCH', path: string, wish: HookWish, type: object) =>
  tolerant((events) => native.send(method, path, { json: { ...type, ...settings(wish, events) } }));

/** The server asks at each delivery, and lets a webhook be made that it will never call. */
const PRIVATE_HOOKS =
  'Where that is a private address, an administrator of the server allows it in app.ini: ALLOWED_HOST_LIST in the section [webhook].';

export const administration: ForgeAdministration = {
  probe,
  repositories,
  async listHooks(native, target) {
    const found: NativeHook[] = [];
    for (let page = 1; page <= MOST_PAGES; page += 1) {
      const data = await native.get(hooksPath(target), { page, limit: PAGE });
      const list = read(z.array(hook).nullable(), data, 'list of webhooks') ?? [];
      found.push(...list.map(asHook));
      // A page may be shorter than what was asked for: servers have a limit of their own.
      if (list.length === 0) return found;
    }
    throw endless('webhooks');
  },
  async createHook(native, target, wish) {
    // Forgejo takes this type as well, and then sends both kinds of headers.
    const { data } = await write(native, 'POST', hooksPath(target), wish, { type: 'gitea' });
    return { hook: asHook(read(hook, data, 'new webhook')), secret: wish.secret };
  },
  async repairHook(native, target, hookId, wish) {
    await write(native, 'PATCH', `${hooksPath(target)}/${segment(hookId)}`, wish, {});
    return { hookId, secret: wish.secret };
  },
  async deleteHook(native, target, hookId) {
    try {
      await native.send('DELETE', `${hooksPath(target)}/${segment(hookId)}`);
    } catch (error) {
      if (!(error instanceof RouteFailure) || error.status !== 404) throw error;
    }
  },
  async testHook(native, target, hookId) {
    // Hooks of organizations and of the server have no test by API.
    if (target.level !== 'repository') return false;
    await native.send('POST', `${hooksPath(target)}/${segment(hookId)}/tests`);
    return true;
  },
  async enableHook(native, target, hookId) {
    const path = `${hooksPath(target)}/${segment(hookId)}`;
    // Without the events the server falls back to pushes alone; without `config` it keeps address and secret.
    await tolerant((events) =>
      native.send('PATCH', path, { json: { active: true, branch_filter: ALL_BRANCHES, events } }),
    );
    return 'enabled';
  },
  missingScope: (body) => /required scope\(s\)[^[]*\[([^\]]+)\]/.exec(body)?.[1],
  privateHooks: PRIVATE_HOOKS,
  hookAdvice({ status, message }, target) {
    if (status === 422 && /\burl\b|host/i.test(message)) return PRIVATE_HOOKS;
    const scope = { repository: 'write:repository', organization: 'write:organization', system: 'write:admin' }[
      target.level
    ];
    const role = { repository: 'administer it', organization: 'own it', system: 'be an administrator' }[target.level];
    if (status === 403) return `The token needs the scope "${scope}", and its account must ${role}.`;
    if (status === 404)
      return `It does not exist for this token: check the name, and that the token’s account may ${role}.`;
    return undefined;
  },
};
