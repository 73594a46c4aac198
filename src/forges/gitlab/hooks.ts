/** Connecting a GitLab: what a token is and may do, its projects, and their webhooks. */
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
import { read, readAll } from './convert/read.js';
import { hookDeliveries } from './deliveries.js';
import { groupPath, nameOf, ownerOf, projectPath } from './references.js';

const text = z.string().nullish();
const id = z.union([z.number(), z.string()]).transform(BigInt);
const version = z.looseObject({ version: z.string(), enterprise: z.boolean().nullish() });
const user = z.looseObject({ id, username: z.string(), bot: z.boolean().nullish(), is_admin: z.boolean().nullish() });
const tokenSelf = z.looseObject({ scopes: z.array(z.string()), expires_at: text });
const access = z.looseObject({ access_level: z.number() }).nullish();
const project = z.looseObject({
  id,
  path_with_namespace: z.string(),
  web_url: z.string(),
  visibility: text,
  default_branch: text,
  archived: z.boolean().nullish(),
  permissions: z.looseObject({ project_access: access, group_access: access }).nullish(),
});
const hook = z.looseObject({
  id: z.union([z.number(), z.string()]).transform(String),
  url: z.string(),
  alert_status: text,
  disabled_until: text,
  signing_token_present: z.boolean().nullish(),
  push_events_branch_filter: text,
  branch_filter_strategy: text,
});

const DEVELOPER = 30;
const MAINTAINER = 40;
/** Accounts of project and group access tokens, on versions that do not say `bot`. */
const TOKEN_ACCOUNT = /^(?:project|group)_\d+_bot/;

/** Whatever a webhook can tell and we translate. A version that does not know one of them ignores it. */
const EVENTS = {
  push_events: true,
  tag_push_events: true,
  merge_requests_events: true,
  issues_events: true,
  note_events: true,
  pipeline_events: true,
  job_events: true,
  releases_events: true,
  deployment_events: true,
  milestone_events: true,
  wiki_page_events: true,
};
/** Pushes to every branch. Versions that know no strategy go by the filter alone. */
const ALL_BRANCHES = { push_events_branch_filter: '', branch_filter_strategy: 'all_branches' };
const GROUP_EVENTS = { member_events: true, subgroup_events: true, project_events: true };
/** System hooks know no others; whatever else happens is always sent. */
const SYSTEM_EVENTS = {
  push_events: true,
  tag_push_events: true,
  merge_requests_events: true,
  repository_update_events: false,
};

/**
 * Samples by which a hook is tried. The first is made up by GitLab, needs nothing in the project, and starts no app; a
 * version that does not know it sends the last commits once more as a push.
 */
const HARMLESS_FIRST = ['resource_access_token_events', 'push_events'];

/** Where hooks of a target live. @see https://docs.gitlab.com/api/project_webhooks/ and group_webhooks, system_hooks */
function hooksPath(target: HookTarget): string {
  if (target.level === 'system') return '/hooks';
  if (target.level === 'organization') return `/groups/${segment(groupPath(target.owner))}/hooks`;
  return `/projects/${segment(projectPath(target.owner, target.name))}/hooks`;
}

function settings(target: HookTarget, wish: HookWish) {
  const common = { url: wish.url, token: wish.secret, enable_ssl_verification: true };
  if (target.level === 'system') return { ...common, ...SYSTEM_EVENTS };
  return {
    ...common,
    // Newer versions sign with it and say so in their answer; older ones ignore the field (spec: signed webhooks).
    signing_token: wish.signingSecret,
    ...EVENTS,
    ...ALL_BRANCHES,
    confidential_issues_events: wish.confidential,
    confidential_note_events: wish.confidential,
    ...(target.level === 'organization' && GROUP_EVENTS),
  };
}

/** Writes the hook and answers it with what its deliveries will really be signed with. */
async function write(native: NativeClient, method: 'POST' | 'PUT', path: string, target: HookTarget, wish: HookWish) {
  const { data } = await native.send(method, path, { json: settings(target, wish) });
  const written = read(hook, data, 'webhook');
  return {
    hook: asHook(written, target),
    secret: written.signing_token_present === true ? wish.signingSecret : wish.secret,
  };
}

const isSwitchedOff = ({ alert_status: status }: z.output<typeof hook>): boolean =>
  status === 'disabled' || status === 'temporarily_disabled';

/** Branches of which nobody hears when they are pushed to, in words; `push_events` itself stays on. */
function branchesUnheard({
  push_events_branch_filter: filter,
  branch_filter_strategy: strategy,
}: z.output<typeof hook>) {
  if (!filter || strategy === ALL_BRANCHES.branch_filter_strategy || (strategy !== 'regex' && filter === '*'))
    return [];
  return [`pushes to branches other than ${filter}`];
}

function asHook(native: z.output<typeof hook>, target: HookTarget): NativeHook {
  const until = native.disabled_until;
  const trouble = isSwitchedOff(native)
    ? `GitLab switched it off after failed deliveries${until ? `, until ${until}` : ''}.`
    : undefined;
  // Nobody can switch one off by hand.
  // Each event is a field of its own; a version that does not know one has no such field.
  const wanted = Object.entries(target.level === 'system' ? SYSTEM_EVENTS : EVENTS);
  const unheard = wanted.flatMap(([name, wish]) => (wish && native[name] === false ? [name] : []));
  return { id: native.id, url: native.url, active: true, trouble, unheard: [...unheard, ...branchesUnheard(native)] };
}

function capabilitiesOf(scopes: readonly string[] | undefined, isAdmin: boolean): Capability[] {
  // A token that cannot tell its scopes is an OAuth token of full access, or of an old version.
  const full = scopes === undefined || scopes.includes('api');
  const reads = full || scopes.includes('read_api');
  return [
    ...(reads ? (['read'] as const) : []),
    ...(full ? (['comment', 'status', 'hooks'] as const) : []),
    ...(full && isAdmin ? (['admin'] as const) : []),
  ];
}

/** Undefined also where the token may not ask. */
async function ask<T extends z.ZodType>(native: NativeClient, path: string, type: T): Promise<z.output<T> | undefined> {
  try {
    const data = await native.find(path);
    return data === undefined ? undefined : read(type, data, path);
  } catch (error) {
    if (error instanceof RouteFailure && error.status === 403) return undefined;
    throw error;
  }
}

async function probe(native: NativeClient): Promise<TokenFacts> {
  const account = read(user, await native.get('/user'), 'user');
  // `/metadata` is younger; `/version` is all that old servers have.
  const server = await unlessRefused(
    async () => (await ask(native, '/metadata', version)) ?? (await ask(native, '/version', version)),
  );
  const token = await ask(native, '/personal_access_tokens/self', tokenSelf);
  const capabilities = capabilitiesOf(token?.scopes, account.is_admin ?? false);
  const isPerson = !(account.bot ?? TOKEN_ACCOUNT.test(account.username));
  const expiresAt = token?.expires_at ? new Date(token.expires_at) : null;
  const warnings: string[] = versionWarnings(server?.version ?? '', OLDEST);
  if (isPerson)
    warnings.push(
      `The token belongs to ${account.username}, a person: comments stand under that name, and all ends when the account does. A project or group access token is better.`,
    );
  if (!capabilities.includes('comment'))
    warnings.push('The token may only read: give it the scope "api" for comments, statuses and webhooks.');
  return {
    version: server?.version ?? '',
    edition: server?.enterprise === true ? 'enterprise' : 'community',
    account: { id: account.id, login: account.username },
    isPerson,
    scopes: token?.scopes ?? [],
    capabilities,
    warnings,
    expiresAt,
  };
}

const OLDEST = { label: 'GitLab', oldest: [16, 0] } as const;

/** A server that names a next page for ever would be asked for ever. */
const MOST_PAGES = 1_000;

async function* repositories(native: NativeClient): AsyncIterable<ForgeRepository> {
  let pages = 0;
  for (let page = '1'; page !== ''; ) {
    pages += 1;
    if (pages > MOST_PAGES) throw new RouteFailure(502, 'The forge’s list of projects has no end.');
    const query = { membership: true, archived: false, order_by: 'id', sort: 'asc', per_page: 100, page };
    const answer = await native.send('GET', '/projects', { query });
    for (const one of readAll(project, answer.data, 'list of projects')) {
      const { project_access: own, group_access: inherited } = one.permissions ?? {};
      const level = Math.max(own?.access_level ?? 0, inherited?.access_level ?? 0);
      yield {
        id: one.id,
        owner: ownerOf(one.path_with_namespace),
        name: nameOf(one.path_with_namespace),
        url: one.web_url,
        private: one.visibility !== 'public',
        defaultBranch: one.default_branch ?? null,
        mayHook: one.permissions ? level >= MAINTAINER : undefined,
        mayPush: one.permissions ? level >= DEVELOPER : undefined,
      };
    }
    page = answer.headers.get('x-next-page') ?? '';
  }
}

/** GitLab blocks addresses in its own network unless an administrator says otherwise. */
const PRIVATE_HOOKS =
  'Where that is a private address, an administrator allows it in the Admin area under Settings, Network, Outbound requests.';

export const administration: ForgeAdministration = {
  probe,
  repositories,
  async listHooks(native, target) {
    const listed = readAll(hook, await native.get(hooksPath(target), { per_page: 100 }), 'list of webhooks');
    return listed.map((one) => asHook(one, target));
  },
  createHook: (native, target, wish) => write(native, 'POST', hooksPath(target), target, wish),
  async repairHook(native, target, hookId, wish) {
    const path = `${hooksPath(target)}/${segment(hookId)}`;
    // One that was switched off comes back only with a delivery that succeeds, and system hooks cannot be edited on every
    // version: a new one takes its place.
    const renew = target.level === 'system' || isSwitchedOff(read(hook, await native.get(path), 'webhook'));
    if (!renew) return { hookId, secret: (await write(native, 'PUT', path, target, wish)).secret };
    const { hook: made, secret } = await write(native, 'POST', hooksPath(target), target, wish);
    await native.send('DELETE', path);
    return { hookId: made.id, secret };
  },
  async deleteHook(native, target, hookId) {
    try {
      await native.send('DELETE', `${hooksPath(target)}/${segment(hookId)}`);
    } catch (error) {
      if (!(error instanceof RouteFailure) || error.status !== 404) throw error;
    }
  },
  async testHook(native, target, hookId) {
    const path = `${hooksPath(target)}/${segment(hookId)}`;
    try {
      await native.send('POST', target.level === 'system' ? path : `${path}/test/push_events`);
      return true;
    } catch (error) {
      if (!(error instanceof RouteFailure)) throw error;
      // Versions without this call, and projects without anything to tell. Any other 422 is what our server answered.
      if (error.status === 404 || (error.status === 422 && /\bensure\b/i.test(error.message))) return false;
      throw error;
    }
  },
  async enableHook(native, target, hookId) {
    // A hook comes back with a delivery that succeeds, and only a test is sent through one that is off. System hooks have
    // no such test.
    if (target.level === 'system') return 'impossible';
    const path = `${hooksPath(target)}/${segment(hookId)}`;
    for (const trigger of HARMLESS_FIRST) {
      try {
        await native.send('POST', `${path}/test/${trigger}`);
        return 'enabled';
      } catch (error) {
        if (!(error instanceof RouteFailure) || (error.status !== 404 && error.status !== 422)) throw error;
        const cannot = error.status === 404 || /\bensure\b|valid value|not available/i.test(error.message);
        // Any other 422 is what our server answered to it.
        if (!cannot) return 'refused';
      }
    }
    return 'impossible';
  },
  deliveries: (native, target, hookId) =>
    target.level === 'system' ? undefined : hookDeliveries(native, `${hooksPath(target)}/${segment(hookId)}`),
  missingScope(body) {
    if (!body.includes('insufficient_scope')) return undefined;
    return /"scope"\s*:\s*"([^"]+)"/.exec(body)?.[1] ?? 'api';
  },
  privateHooks: PRIVATE_HOOKS,
  hookAdvice({ status, message }, target) {
    if (/url is blocked|not allowed|local network/i.test(message)) return PRIVATE_HOOKS;
    // All that it says of an address that it blocks, or cannot resolve.
    if (/invalid url/i.test(message))
      return `GitLab does not take the address of PUBLIC_URL: its server must be able to resolve the name. ${PRIVATE_HOOKS}`;
    if (status === 422 && /maximum number|limit/i.test(message))
      return target.level === 'repository'
        ? 'Remove webhooks that nobody uses, or make one for the group with --organization.'
        : 'Remove webhooks that nobody uses.';
    const role = { repository: 'Maintainer', organization: 'Owner', system: 'administrator' }[target.level];
    if (status === 403) return `The token needs the scope "api" and the role ${role} there.`;
    if (status !== 404) return undefined;
    return target.level === 'organization'
      ? `The group does not exist for this token, or its webhooks, which need GitLab Premium and the role ${role}, are not available.`
      : 'It does not exist for this token: check the path, and that the token’s account is a member.';
  },
};
