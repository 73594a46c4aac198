/** The page on which an administrator, or whoever holds the setup link, says how people sign in. */
import type { SignInClient } from '../accounts/sign-in/oauth-clients.js';
import type { SignUpPolicy } from '../accounts/sign-in/policy.js';
import { escapeHtml, page } from './page.js';
import { errorLine, signInButtons, withCode } from './sign-in-page.js';

export interface SetupPageState {
  /** Has a setup link and is nobody yet. */
  first: boolean;
  clients: readonly SignInClient[];
  /** Forges with sign-in, for the choice. */
  forges: readonly { id: string; label: string; cloudUrl?: string }[];
  callbackOf(providerId: string): string;
  /** With `FORGE-HOST` where the instance stands. */
  callbackPattern: string;
  /** Undefined: nobody has said. */
  policy: SignUpPolicy | undefined;
  /** What was filled in, as it was sent and refused; nothing secret. */
  form?: ClientForm;
  problem?: string;
  error?: string;
}

export interface ClientForm {
  forge: string;
  base_url?: string;
  client_id: string;
  ca_certificate?: string;
  proxy?: string;
}

const POLICIES: readonly [SignUpPolicy, string][] = [
  ['closed', 'Nobody new. Whoever signed in before may do so again.'],
  ['organization', 'People who belong, on their forge, to an organization that is served here.'],
  ['open', 'Everybody with an account on one of the forges above.'],
];

function reachedBy({ certificates, proxy }: SignInClient['reached']): string {
  const lines = [...certificates.map((one) => `Trusts ${one} alone`), ...(proxy === null ? [] : [`Through ${proxy}`])];
  return lines.map((line) => `<br>\n<small>${escapeHtml(line)}</small>`).join('');
}

function clientList({ clients, callbackOf }: SetupPageState): string {
  if (clients.length === 0) return '<p>None yet.</p>';
  return clients
    .map(
      ({ providerId, label, endpoint, reached }) => `<section aria-label="${escapeHtml(label)}">
<h3>${escapeHtml(label)}</h3>
<p><a href="${escapeHtml(endpoint.webUrl)}" rel="noreferrer">${escapeHtml(endpoint.webUrl)}</a><br>
Callback address: <code>${escapeHtml(callbackOf(providerId))}</code>${reachedBy(reached)}</p>
<form method="post" action="/setup/clients/remove"><input type="hidden" name="provider" value="${escapeHtml(providerId)}">
<button aria-label="Remove ${escapeHtml(label)}">Remove</button></form></section>`,
    )
    .join('\n');
}

function clientForm({ forges, callbackPattern, form }: SetupPageState): string {
  const value = (text: string | undefined) => (text === undefined ? '' : ` value="${escapeHtml(text)}"`);
  const isOpen = (form?.ca_certificate ?? '') !== '' || (form?.proxy ?? '') !== '';
  const options = forges
    .map(
      ({ id, label }) =>
        `<option value="${escapeHtml(id)}"${id === form?.forge ? ' selected' : ''}>${escapeHtml(label)}</option>`,
    )
    .join('');
  return `<form method="post" action="/setup/clients">
<p><label for="forge">Forge</label><select id="forge" name="forge">${options}</select></p>
<p><label for="base_url">Address of its start page</label>
<input id="base_url" name="base_url" type="url" placeholder="https://git.example.com" aria-describedby="base_url_hint"${value(form?.base_url)}>
<small id="base_url_hint">Leave it empty for the forge’s own cloud.</small></p>
<p><label for="client_id">Client id</label><input id="client_id" name="client_id" required autocomplete="off"${value(form?.client_id)}></p>
<p><label for="client_secret">Client secret</label><input id="client_secret" name="client_secret" type="password" autocomplete="off"></p>
<details${isOpen ? ' open' : ''}><summary>Private certificate authority or proxy</summary>
<p><label for="ca_certificate">Certificates that alone are trusted for this server</label>
<textarea id="ca_certificate" name="ca_certificate" rows="5" spellcheck="false" placeholder="-----BEGIN CERTIFICATE-----" aria-describedby="ca_hint">${escapeHtml(form?.ca_certificate ?? '')}</textarea>
<small id="ca_hint">PEM, without any key. Empty: as it is; <code>none</code>: those of this machine.</small></p>
<p><label for="proxy">HTTP proxy to this server</label>
<input id="proxy" name="proxy" autocomplete="off" placeholder="http://proxy.example.com:3128" aria-describedby="proxy_hint"${value(form?.proxy)}>
<small id="proxy_hint">User name and password before the host where it wants them. Empty: as it is; <code>none</code>: without one.</small></p></details>
<p>Register an OAuth application on the forge first. Its callback address is <code>${escapeHtml(callbackPattern)}</code>, with the kind
of forge and its host at the end; the exact one is shown above once it is added.</p>
<button>Add</button></form>`;
}

function policyForm({ policy }: SetupPageState): string {
  const choices = POLICIES.map(
    ([
      value,
      meaning,
    ]) => `<p class="choice"><input type="radio" id="policy-${value}" name="policy" value="${value}" required${value === policy ? ' checked' : ''}>
<label for="policy-${value}">${escapeHtml(meaning)}</label></p>`,
  ).join('');
  // What is not said is different for people and for Apps, so that none of the choices would be true.
  const unsaid =
    policy === undefined
      ? `<p class="state">Not stated yet: nobody new signs in, an App that was registered here serves its owner and who was admitted,
and the App of the environment serves whoever can install it. Choose one to settle it for all of them.</p>`
      : '';
  return `${unsaid}<form method="post" action="/setup/policy"><fieldset><legend>Who may come in that is not known yet</legend>${choices}</fieldset>
<p>What you choose holds for accounts that install an App as well: who waits is shown at <a href="/setup/apps">Apps</a>.</p>
<button>Save</button></form>`;
}

export function setupPage(state: SetupPageState): string {
  const problem = state.problem === undefined ? '' : `<p class="state" role="alert">${withCode(state.problem)}</p>`;
  const become =
    state.clients.length === 0
      ? ''
      : `<h2>Become the administrator</h2>
<p>Sign in now: this browser has the setup link, which works once.</p>${signInButtons({ clients: state.clients, returnTo: '/', calm: state.problem !== undefined || state.error !== undefined })}`;
  return page(
    'Set up sign-in · Forgeway',
    `<h1>${state.first ? 'Set up Forgeway' : 'Who may sign in'}</h1>
${problem}${errorLine(state.error)}
${state.first ? become : ''}
${state.first && state.clients.length === 0 ? '<p>For GitHub the shortest way is to <a href="/setup/apps">register an App</a>: people sign in with it too.</p>' : ''}
<h2>Forges to sign in with</h2>
${clientList(state)}
<h2>Add a forge</h2>
${clientForm(state)}
${state.first ? '' : `<h2>Sign-up</h2>${policyForm(state)}`}
<p><a href="/setup/apps">Apps</a> · <a href="/">Start page</a></p>`,
  );
}
