/** The page of accounts on forges that are connected with consent: one's own, and those of organizations. Forms alone, without script. */
import type { SignInClient } from '../accounts/sign-in/oauth-clients.js';
import { escapeHtml, page } from './page.js';

export interface ConnectedAccount {
  id: string;
  organizationId: string;
  /** Of the organization, for showing. */
  organization: string;
  kind: string;
  login: string;
  host: string;
  status: string;
  /** What is wrong and what to do; null: nothing. */
  trouble: string | null;
}

interface Organization {
  id: string;
  name: string;
}

export interface AccountPageState {
  /** The person's own. */
  accounts: readonly ConnectedAccount[];
  /** Of the organizations in `managed`, those that somebody agreed to. */
  shared: readonly ConnectedAccount[];
  /** Where accounts can be connected with consent. */
  clients: readonly Pick<SignInClient, 'providerId' | 'label'>[];
  organizations: readonly Organization[];
  /** Whose connections the person may manage. */
  managed: readonly Organization[];
  /** What was just done. */
  done?: string;
  problem?: string;
}

const hidden = (name: string, value: string) =>
  `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`;

type Owner = 'me' | 'organization';

function accountSection(account: ConnectedAccount, owner: Owner): string {
  const { id, organizationId, organization, kind, login, host, trouble } = account;
  const [how, after] =
    kind === 'oauth'
      ? ['with consent', 'It ends on the forge too, where the forge lets us end it.']
      : ['by a token', 'On the forge it stays until you revoke it there.'];
  const whose = owner === 'me' ? `in ${organization}` : `for everyone in ${organization}`;
  const gone = owner === 'me' ? 'The token is deleted here.' : 'Its token is deleted, and its webhooks are removed.';
  const alert = trouble === null ? '' : `<p class="state" role="alert">${escapeHtml(trouble)}</p>`;
  return `<section aria-label="${escapeHtml(`${login} on ${host}, ${whose}`)}"><h3>${escapeHtml(login)} on ${escapeHtml(host)}</h3>
<p>Connected ${how}, ${escapeHtml(whose)}.</p>${alert}
<form method="post" action="/account/remove">${hidden('id', id)}${hidden('organization', organizationId)}${hidden('owner', owner)}<button>Take it away</button>
<small>${gone} ${after}</small></form></section>`;
}

function connectForm(
  owner: Owner,
  { clients }: Pick<AccountPageState, 'clients'>,
  organizations: readonly Organization[],
): string {
  const [only] = organizations;
  const where =
    organizations.length === 1 && only !== undefined
      ? hidden('organization', only.id)
      : `<label>${owner === 'me' ? 'For work in' : 'For the organization'} <select name="organization">${organizations
          .map(({ id, name }) => `<option value="${escapeHtml(id)}">${escapeHtml(name)}</option>`)
          .join('')}</select></label>`;
  const what = owner === 'me' ? 'Connect your account' : 'Connect an account of the organization';
  const buttons = clients.map(
    ({ providerId, label }) =>
      `<button class="wide" name="provider" value="${escapeHtml(providerId)}">${escapeHtml(`${what} on ${label}`)}</button>`,
  );
  return `<form method="post" action="/account/connect">${hidden('owner', owner)}${where}\n${buttons.join('\n')}</form>`;
}

function connectForms(state: AccountPageState): string {
  if (state.organizations.length === 0)
    return '<p>You belong to no organization here yet, and an account is connected in one. Ask an administrator.</p>';
  if (state.clients.length === 0)
    return `<p>No forge is set up for it. An administrator does it at <code>/setup</code>. With a token of your own it goes over the
API: <code>connectPat</code> with <code>owner: me</code>.</p>`;
  return connectForm('me', state, state.organizations);
}

function organizationPart(state: AccountPageState): string {
  const { shared, clients, managed } = state;
  if (managed.length === 0) return '';
  const list =
    shared.length === 0
      ? `<p>None by consent yet. Apps and programs act on the forge as such an account, for everyone in the organization: best is one that
is nobody's own. Before you connect, sign in on the forge as that account.</p>`
      : shared.map((account) => accountSection(account, 'organization')).join('\n');
  return `<h2>Of ${managed.length === 1 ? escapeHtml(managed[0]?.name ?? '') : 'your organizations'}</h2>
${list}
${clients.length === 0 ? '' : connectForm('organization', state, managed)}`;
}

export function accountPage(state: AccountPageState): string {
  const { accounts, done, problem } = state;
  const none = `<p>None yet. With one, Forgeway asks the forge as you: which repositories you may push to, and what programs of
yours do for you. Nobody else sees or uses it, and no app does.</p>`;
  return page(
    'Accounts on forges · Forgeway',
    `<h1>Accounts on forges</h1>
${done === undefined ? '' : `<p class="state" role="status">${escapeHtml(done)}</p>`}
${problem === undefined ? '' : `<p class="state" role="alert">${escapeHtml(problem)}</p>`}
<h2>Your own</h2>
${accounts.length === 0 ? none : accounts.map((account) => accountSection(account, 'me')).join('\n')}
${connectForms(state)}
${organizationPart(state)}
<p><a href="/">Start page</a></p>`,
  );
}
