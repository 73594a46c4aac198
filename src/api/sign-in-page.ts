/** The pages of signing in. Plain forms, so that they work in every browser, with a keyboard, and without script. */
import type { SignInClient } from '../accounts/sign-in/oauth-clients.js';
import { escapeHtml, page } from './page.js';

/** Texts for `?error=`: ours, and those that the library and forges use. */
const ERRORS: Readonly<Record<string, string>> = {
  sign_up_closed:
    'You are not known here, and nobody new is let in. Ask an administrator of this Forgeway to open the sign-up or to make you a link.',
  not_in_organization:
    'You are not known here, and belong to no organization on that forge that is served here. Ask somebody who is in one, or an administrator.',
  organizations_unknown:
    'You are not known here, and the forge did not tell which organizations you belong to. Try again in a moment; if it stays so, the log of the server says why.',
  suspended: 'Your account is suspended. Ask an administrator of this Forgeway.',
  too_many_attempts: 'You signed in too often within a minute. Wait a minute, then try again.',
  setup_link_used: 'The link that makes an administrator was used or has expired. `forgeway admin link` makes another.',
  access_denied: 'You did not allow Forgeway to see who you are. Nothing was changed.',
  state_mismatch:
    'This sign-in was begun in another browser, was completed already, or took more than 10 minutes. Begin again.',
  state_not_found: 'This sign-in was not begun here. Begin again.',
  invalid_code: 'The forge did not accept its own code. Begin again; if it stays so, the client’s secret may be wrong.',
  unable_to_get_user_info: 'The forge did not say who you are. Try again in a moment.',
  unknown_instance: 'Nobody can sign in with that forge here any more. Choose another.',
};

const FALLBACK = 'That did not work. Begin again; if it stays so, the log of the server says why.';

export interface SignInPageState {
  clients: readonly Pick<SignInClient, 'providerId' | 'label'>[];
  returnTo: string;
  error?: string;
  /** Whether something else on the page is to be read first. */
  calm?: boolean;
}

export const withCode = (text: string) => escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');

export function errorLine(error: string | undefined): string {
  if (error === undefined) return '';
  const text = Object.hasOwn(ERRORS, error) ? ERRORS[error] : undefined;
  return `<p class="state" role="alert">${withCode(text ?? FALLBACK)}</p>`;
}

/** One button for each instance; the first has the focus when the page opens. */
export function signInButtons({ clients, returnTo, error, calm = error !== undefined }: SignInPageState): string {
  return clients
    .map(
      ({ providerId, label }, at) => `<form method="post" action="/sign-in">
<input type="hidden" name="provider" value="${escapeHtml(providerId)}"><input type="hidden" name="return_to" value="${escapeHtml(returnTo)}">
<button class="wide"${at === 0 && !calm ? ' autofocus' : ''}>Sign in with ${escapeHtml(label)}</button></form>`,
    )
    .join('\n');
}

export function signInPage(state: SignInPageState): string {
  const none = `<p>No forge is set up for signing in yet. Open the setup link that Forgeway printed when it was started;
<code>forgeway admin link</code> makes another. Or add a forge with <code>forgeway sign-in clients add</code>.</p>`;
  return page(
    'Sign in · Forgeway',
    `<h1>Sign in to Forgeway</h1>
${errorLine(state.error)}
${state.clients.length === 0 ? none : signInButtons(state)}
<p><a href="/">Back to the start page</a></p>`,
  );
}

/** A sentence and a way on, for what ends without a page of its own. */
export function messagePage(title: string, text: string): string {
  return page(
    `${title} · Forgeway`,
    `<h1>${escapeHtml(title)}</h1><p>${withCode(text)}</p><p><a href="/">Start page</a></p>`,
  );
}

export interface SignedIn {
  name: string;
  platformAdmin: boolean;
  /** By the id of the organization. */
  memberships?: ReadonlyMap<string, unknown>;
}

/** The line on the start page that says who is signed in. */
export function accountLine(person: SignedIn | undefined): string {
  if (person === undefined) return '<p><a href="/sign-in">Sign in</a></p>';
  const { name, platformAdmin, memberships } = person;
  // Where there are several, their addresses say which.
  const [only] = memberships?.size === 1 ? memberships.keys() : [];
  const workspaces = only === undefined ? '' : ` · <a href="/app/${only}/workspaces">Workspaces</a>`;
  return `<section aria-label="Your account">
<p>Signed in as <strong>${escapeHtml(name)}</strong>${platformAdmin ? ', administrator. <a href="/setup">Who may sign in</a> · <a href="/setup/apps">Apps</a> ·' : '.'} <a href="/account">Accounts on forges</a>${workspaces}</p>
<div class="row"><form method="post" action="/sign-out"><button>Sign out</button></form>
<form method="post" action="/sign-out-everywhere"><button>Sign out everywhere</button></form></div></section>`;
}
