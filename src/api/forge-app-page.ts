/** The pages on which an administrator registers an App on a forge, and sees those that are. Forms alone, without script. */
import type { ForgeApp } from '../accounts/forge-apps/rows.js';
import type { WaitingInstallation } from '../accounts/newcomers.js';
import { escapeHtml, page } from './page.js';

export interface ForgeAppPageState {
  apps: readonly (ForgeApp & { installUrl: string | undefined })[];
  /** Accounts that have installed an App and are not served. */
  waiting: readonly WaitingInstallation[];
  /** What was just done. */
  done?: string;
  /** The App of the environment. */
  environment?: { host: string; appId: string };
  /** Forges with Apps. */
  forges: readonly { id: string; label: string; cloudUrl?: string }[];
  /** What people fill in, as they left it. */
  form: AppForm;
  /** Why the form was not taken. */
  problem?: string;
  /** What does not stand in the way and will. */
  warning?: string;
}

export interface AppForm {
  forge: string;
  base_url?: string;
  organization?: string;
  name: string;
  public?: string;
  another?: string;
}

const button = (label: string, hidden: Readonly<Record<string, string>>) =>
  `${Object.entries(hidden)
    .map(([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`)
    .join('')}<button>${escapeHtml(label)}</button>`;

function appList({ apps, environment }: ForgeAppPageState): string {
  const own =
    environment === undefined
      ? ''
      : `<section aria-label="App of the environment"><h3>App ${escapeHtml(environment.appId)} on ${escapeHtml(environment.host)}</h3>
<p>Of the environment: <code>APP_ID</code>.</p></section>`;
  if (apps.length === 0 && own === '') return '<p>None yet.</p>';
  return (
    own +
    apps
      .map(
        ({ id, name, host, ownerLogin, pageUrl, installUrl }) => `<section aria-label="${escapeHtml(name)}">
<h3>${escapeHtml(name)}</h3>
<p>On ${escapeHtml(host)}, of ${escapeHtml(ownerLogin)}: <a href="${escapeHtml(pageUrl)}" rel="noreferrer">its page</a>${
          installUrl === undefined
            ? ''
            : ` · <a href="${escapeHtml(installUrl)}" rel="noreferrer">install it on an account</a>`
        }</p>
<form method="post" action="/setup/apps/remove">${button('Forget it', { id })}
<small>Its key is deleted here and its webhooks are refused. People go on signing in with it until its client is removed at
<a href="/setup">/setup</a>. On the forge it stays until somebody deletes it there.</small></form></section>`,
      )
      .join('\n')
  );
}

function waitingList({ waiting }: ForgeAppPageState): string {
  if (waiting.length === 0) return '<p>Nobody: whoever has installed an App is served.</p>';
  const rows = waiting.map(({ id, accountLogin, host, installationId, deliveries, firstSeenAt }) => {
    const name = accountLogin ?? `installation ${installationId}`;
    return `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(host)}</td><td>${firstSeenAt.toISOString().slice(0, 10)}</td><td>${deliveries}</td>
<td><form method="post" action="/setup/apps/admit"><input type="hidden" name="id" value="${escapeHtml(id)}"><button aria-label="Admit ${escapeHtml(name)}">Admit</button></form></td></tr>`;
  });
  return `<p>They have installed an App and are not admitted: nothing of theirs runs. Admitted, they are served with what their installation reaches.</p>
<table><thead><tr><th scope="col">Account</th><th scope="col">Host</th><th scope="col">Since</th><th scope="col">Ignored</th><th scope="col"></th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`;
}

const line = (role: 'alert' | 'status', text: string | undefined) =>
  text === undefined ? '' : `<p class="state" role="${role}">${escapeHtml(text)}</p>`;

function appForm({ forges, form }: ForgeAppPageState): string {
  const value = (text: string | undefined) => ` value="${escapeHtml(text ?? '')}"`;
  const [only] = forges;
  const choice =
    forges.length === 1 && only !== undefined
      ? `<input type="hidden" name="forge" value="${escapeHtml(only.id)}">`
      : `<p><label for="forge">Forge</label><select id="forge" name="forge">${forges
          .map(({ id, label }) => `<option value="${escapeHtml(id)}">${escapeHtml(label)}</option>`)
          .join('')}</select></p>`;
  const another =
    form.another === undefined
      ? ''
      : `<p class="choice"><input type="checkbox" id="another" name="another" value="yes">
<label for="another">Register another App there all the same.</label></p>`;
  return `<form method="post" action="/setup/apps">${choice}
<p><label for="base_url">Address of the server</label>
<input id="base_url" name="base_url" type="url" placeholder="https://github.example.com"${value(form.base_url)} aria-describedby="base_url_hint">
<small id="base_url_hint">Leave it empty for ${escapeHtml(only?.cloudUrl ?? 'the cloud')}.</small></p>
<p><label for="organization">Organization</label>
<input id="organization" name="organization" autocomplete="off"${value(form.organization)} aria-describedby="organization_hint">
<small id="organization_hint">Which is to own the App. Empty: your own account there.</small></p>
<p><label for="name">Name</label><input id="name" name="name" required maxlength="34" autocomplete="off"${value(form.name)} aria-describedby="name_hint">
<small id="name_hint">Nobody else on that server may have it. It comments as <code>NAME[bot]</code>.</small></p>
<p class="choice"><input type="checkbox" id="public" name="public" value="yes"${form.public === 'yes' ? ' checked' : ''}>
<label for="public">Accounts other than its owner may install it. Who of them is served is set at <a href="/setup">Sign-up</a>.</label></p>
${another}<button>Go on</button></form>`;
}

export function forgeAppPage(state: ForgeAppPageState): string {
  return page(
    'Apps · Forgeway',
    `<h1>Apps</h1>
${line('alert', state.problem)}${line('status', state.done)}${line('status', state.warning)}
<h2>Registered</h2>
${appList(state)}
<h2>Waiting</h2>
${waitingList(state)}
<h2>Register one</h2>
<p>The forge asks you to confirm, then Forgeway keeps the App’s key and secrets sealed and uses them at once: nothing is to be copied, and
nothing to be started again.</p>
${appForm(state)}
<p><a href="/setup">Who may sign in</a> · <a href="/">Start page</a></p>`,
  );
}

/** The last step here: a form that takes the manifest to the forge. */
export function goToForgePage(o: {
  label: string;
  host: string;
  action: string;
  manifest: string;
  name: string;
  owner: string;
  webhookUrl: string;
  permissions: Readonly<Record<string, string>>;
}): string {
  const rows = Object.entries(o.permissions)
    .map(([name, level]) => `<tr><td>${escapeHtml(name.replaceAll('_', ' '))}</td><td>${escapeHtml(level)}</td></tr>`)
    .join('');
  return page(
    'Register an App · Forgeway',
    `<h1>Register ${escapeHtml(o.name)}</h1>
<p>On ${escapeHtml(o.host)}, for ${escapeHtml(o.owner)}. It will send its webhooks to <code>${escapeHtml(o.webhookUrl)}</code>, and ask whoever installs
it for:</p>
<table><thead><tr><th scope="col">Permission</th><th scope="col">Level</th></tr></thead><tbody>${rows}</tbody></table>
<p>${escapeHtml(o.label)} shows the name once more and makes the App. Come back with this browser within an hour.</p>
<form method="post" action="${escapeHtml(o.action)}"><input type="hidden" name="manifest" value="${escapeHtml(o.manifest)}">
<button autofocus>Continue on ${escapeHtml(o.host)}</button></form>
<p><a href="/setup/apps">Back</a></p>`,
  );
}
