/** The page of one's own accounts on forges. Forms alone, without script. */
import type { SignInClient } from '../accounts/sign-in/oauth-clients.js';
import { escapeHtml, page } from './page.js';

export interface OwnAccount {
  id: string;
  organizationId: string;
  /** Of the organization, for showing. */
  organization: string;
  kind: string;
  login: string;
  host: string;
  status: string;
  reason: string | null;
}

export interface AccountPageState {
  accounts: readonly OwnAccount[];
  /** Where accounts can be connected with one's consent. */
  clients: readonly Pick<SignInClient, 'providerId' | 'label'>[];
  organizations: readonly { id: string; name: string }[];
  /** What was just done. */
  done?: string;
  problem?: string;
}

const hidden = (name: string, value: string) =>
  `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`;

function accountSection({ id, organizationId, organization, kind, login, host, status, reason }: OwnAccount): string {
  const [how, after] =
    kind === 'oauth'
      ? ['with your consent', 'That you allowed it, the forge remembers until you end it in its settings.']
      : ['by a token', 'On the forge it stays until you revoke it there.'];
  const trouble =
    status === 'active' ? '' : `<p class="state" role="alert">${escapeHtml(reason ?? `It is ${status}.`)}</p>`;
  return `<section aria-label="${escapeHtml(`${login} on ${host}`)}"><h3>${escapeHtml(login)} on ${escapeHtml(host)}</h3>
<p>Connected ${how}, in ${escapeHtml(organization)}.</p>${trouble}
<form method="post" action="/account/remove">${hidden('id', id)}${hidden('organization', organizationId)}<button>Take it away</button>
<small>The token is deleted here. ${after}</small></form></section>`;
}

function connectForms({ clients, organizations }: AccountPageState): string {
  const [only] = organizations;
  if (only === undefined)
    return '<p>You belong to no organization here yet, and an account is connected in one. Ask an administrator.</p>';
  if (clients.length === 0)
    return `<p>No forge is set up for it. An administrator does it at <code>/setup</code>. With a token of your own it goes over the
API: <code>connectPat</code> with <code>owner: me</code>.</p>`;
  const where =
    organizations.length === 1
      ? hidden('organization', only.id)
      : `<label>For work in <select name="organization">${organizations
          .map(({ id, name }) => `<option value="${escapeHtml(id)}">${escapeHtml(name)}</option>`)
          .join('')}</select></label>`;
  const buttons = clients.map(
    ({ providerId, label }) =>
      `<button class="wide" name="provider" value="${escapeHtml(providerId)}">Connect your account on ${escapeHtml(label)}</button>`,
  );
  return `<form method="post" action="/account/connect">${where}\n${buttons.join('\n')}</form>`;
}

export function accountPage(state: AccountPageState): string {
  const { accounts, done, problem } = state;
  const none = `<p>None yet. With one, Forgeway asks the forge as you: which repositories you may push to, and what programs of
yours do for you. Nobody else sees or uses it, and no app does.</p>`;
  return page(
    'Your accounts · Forgeway',
    `<h1>Your accounts on forges</h1>
${done === undefined ? '' : `<p class="state" role="status">${escapeHtml(done)}</p>`}
${problem === undefined ? '' : `<p class="state" role="alert">${escapeHtml(problem)}</p>`}
<h2>Connected</h2>
${accounts.length === 0 ? none : accounts.map(accountSection).join('\n')}
<h2>Connect</h2>
${connectForms(state)}
<p><a href="/">Start page</a></p>`,
  );
}
