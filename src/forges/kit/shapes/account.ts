/** People, bots and organizations. */
import type { JsonObject } from '../../forge.js';
import type { ShapeBase } from './base.js';
import { given } from './fields.js';
import type { AccountInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';

/** GitHub's simple user. Any account that may be an author, an owner or a sender, organizations too. */
export function user(base: ShapeBase, account: AccountInput): JsonObject {
  const { login, type = 'User' } = account;
  const url = `${base.api}/users/${encodeURIComponent(login)}`;
  return {
    login,
    id: jsonId(account.id),
    node_id: nodeId(type, account.id, login),
    ...given({ name: account.name ?? undefined, email: account.email }),
    avatar_url: avatarOf(base, account),
    gravatar_id: '',
    url,
    html_url: pageOfAccount(base, account),
    followers_url: `${url}/followers`,
    following_url: `${url}/following{/other_user}`,
    gists_url: `${url}/gists{/gist_id}`,
    starred_url: `${url}/starred{/owner}{/repo}`,
    subscriptions_url: `${url}/subscriptions`,
    organizations_url: `${url}/orgs`,
    repos_url: `${url}/repos`,
    events_url: `${url}/events{/privacy}`,
    received_events_url: `${url}/received_events`,
    type,
    site_admin: account.siteAdmin ?? false,
  };
}

/** The `organization` of webhooks and of lists of organizations. */
export function organization(base: ShapeBase, account: AccountInput, description: string | null = null): JsonObject {
  const url = `${base.api}/orgs/${encodeURIComponent(account.login)}`;
  return {
    login: account.login,
    id: jsonId(account.id),
    node_id: nodeId('Organization', account.id, account.login),
    url,
    html_url: pageOfAccount(base, account),
    repos_url: `${url}/repos`,
    events_url: `${url}/events`,
    hooks_url: `${url}/hooks`,
    issues_url: `${url}/issues`,
    members_url: `${url}/members{/member}`,
    public_members_url: `${url}/public_members{/member}`,
    avatar_url: avatarOf(base, account),
    description,
  };
}

/** Who stands for an account that was deleted or that the forge did not name. */
export function ghost(base: ShapeBase): JsonObject {
  return user(base, { id: 0, login: 'ghost' });
}

/** The account, or the ghost when there is none. */
export function userOrGhost(base: ShapeBase, account: AccountInput | null | undefined): JsonObject {
  return account ? user(base, account) : ghost(base);
}

function pageOfAccount(base: ShapeBase, account: AccountInput): string {
  return account.htmlUrl ?? `${base.web}/${encodePage(account.login)}`;
}

/** Forges without a host for pictures give some as paths, or leave out the scheme. */
function avatarOf(base: ShapeBase, account: AccountInput): string {
  const { avatarUrl: told } = account;
  if (told?.startsWith('/') && URL.canParse(told, base.web)) return new URL(told, base.web).href;
  return told || `${base.web}/${encodePage(account.login)}.png`;
}

/** A login as a part of a page's address: `group~sub` is the page `group/sub`. */
export function encodePage(login: string): string {
  return login.split('~').map(encodeURIComponent).join('/');
}
