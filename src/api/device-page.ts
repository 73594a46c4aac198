/** The page on which a signed-in person lets a device or an app in. */
import type { WaitingDevice } from '../accounts/sign-in/devices.js';
import { escapeHtml, page } from './page.js';

export interface DevicePageState {
  /** As it was typed or came with the link. */
  userCode: string;
  device: WaitingDevice | undefined;
  person: string;
}

const askForCode = (problem: string) => `${problem}
<form method="get" action="/device"><p><label for="user_code">Code that the device shows</label>
<input id="user_code" name="user_code" required autofocus autocomplete="off" autocapitalize="characters" placeholder="ABCD-EFGH"></p>
<button>Go on</button></form>`;

export function devicePage({ userCode, device, person }: DevicePageState): string {
  const body =
    device === undefined
      ? askForCode(
          userCode === ''
            ? ''
            : '<p class="state" role="alert">No device waits under that code. It may have been used, or be older than 10 minutes.</p>',
        )
      : `<p>A device that calls itself <strong>${escapeHtml(device.name)}</strong> asked at
<time datetime="${device.since.toISOString()}">${device.since.toISOString().slice(0, 16).replace('T', ' ')} UTC</time> from the address <code>${escapeHtml(device.ip)}</code> to be signed in as
<strong>${escapeHtml(person)}</strong>. It could then do all that you may, until you sign out everywhere.</p>
<p class="state">Its code is <code>${escapeHtml(userCode)}</code>. Go on only if you began this yourself, just now, and your device shows the same code.</p>
<form method="post" action="/device" class="row"><input type="hidden" name="user_code" value="${escapeHtml(userCode)}">
<button name="answer" value="allow">Allow it</button> <button name="answer" value="deny">Refuse</button></form>`;
  return page('A device · Forgeway', `<h1>Sign a device in</h1>${body}<p><a href="/">Start page</a></p>`);
}

export function appLinkPage(o: { person: string; challenge: string; state: string }): string {
  return page(
    'The app · Forgeway',
    `<h1>Sign the app in</h1>
<p>The Forgeway app on this device asks to be signed in as <strong>${escapeHtml(o.person)}</strong>. It could then do all that you may,
until you sign out everywhere. Go on only if you came here from the app.</p>
<form method="post" action="/device/app"><input type="hidden" name="challenge" value="${escapeHtml(o.challenge)}">
<input type="hidden" name="state" value="${escapeHtml(o.state)}"><button autofocus>Sign it in</button></form>
<p><a href="/">No, to the start page</a></p>`,
  );
}
