/** What somebody tries who is not the person: section G of the test plan, over real HTTP. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { returnPath } from '../../src/accounts/sign-in/return-path.js';
import { stateSeal } from '../../src/accounts/sign-in/sealed-states.js';
import { deriveKey } from '../../src/store/derive-key.js';
import { Browser } from '../support/browser.js';
import { TEST_MASTER_KEY } from '../support/database.js';
import { type OAuthForge, startOAuthForge } from '../support/oauth-forge.js';
import { type SignInRig, startSignInRig } from '../support/sign-in-rig.js';

let rig: SignInRig;
let github: OAuthForge;
let gitlab: OAuthForge;
const ids = { github: '', gitlab: '' };
/** As the program seals what rides in a state. */
const seal = stateSeal(deriveKey(TEST_MASTER_KEY, Buffer.alloc(0), 'forgeway/v1/sign-in').toString('base64url'));

/** What waits for browsers to come back, the newest first; none of it can be read where it lies. */
async function states(): Promise<{ id: string; text: string }[]> {
  const rows = await rig.rows<{ id: string; value: string }>(
    `SELECT id, value FROM verification WHERE value <> '' ORDER BY created_at DESC`,
  );
  expect(rows.filter(({ value }) => !value.startsWith('sealed.'))).toEqual([]);
  return rows.map(({ id, value }) => ({ id, text: seal.open(value) }));
}

async function rewriteStates(change: (state: Record<string, unknown>) => object): Promise<void> {
  for (const { id, text } of await states())
    await rig.rows('UPDATE verification SET value = $2 WHERE id = $1', [
      id,
      seal.seal(JSON.stringify(change(JSON.parse(text)))),
    ]);
}

beforeAll(async () => {
  rig = await startSignInRig({ trusted: ['127.0.0.0/8'] });
  await rig.policy('open');
  github = await startOAuthForge('github', { id: 1, login: 'mona' });
  gitlab = await startOAuthForge('gitlab', { id: 2, login: 'ann' });
  ids.github = await rig.register('github', github);
  ids.gitlab = await rig.register('gitlab', gitlab);
});
afterAll(async () => {
  await github.close();
  await gitlab.close();
  await rig.close();
});
afterEach(() => {
  gitlab.lax = false;
  gitlab.denies = false;
});

const sessions = async () => (await rig.rows<{ n: number }>('SELECT count(*)::int4 AS n FROM session'))[0]?.n;
/** A browser that comes back from where it was sent, and who it is then. */
async function comeBack(browser: Browser, url: URL | string) {
  const before = await sessions();
  const response = await browser.get(String(url));
  const signedIn = (await rig.actor(browser)) !== undefined;
  expect(signedIn).toBe((await sessions()) === (before ?? 0) + 1);
  return { response, signedIn };
}
const changed = (url: URL, parameters: Record<string, string | null>) => {
  const other = new URL(url);
  for (const [name, value] of Object.entries(parameters))
    if (value === null) other.searchParams.delete(name);
    else other.searchParams.set(name, value);
  return other;
};
const STATE = 'forgeway.state';

type Attack = (o: { browser: Browser; url: URL; state: string }) => Promise<URL | { browser: Browser; url: URL }>;
const attacks: Record<string, Attack> = {
  'no state': async ({ url }) => changed(url, { state: null }),
  'an empty state': async ({ url }) => changed(url, { state: '' }),
  'a state that was never given': async ({ url }) => changed(url, { state: 'A'.repeat(32) }),
  'a state without its end': async ({ url, state }) => changed(url, { state: state.slice(0, -1) }),
  'a longer state': async ({ url, state }) => changed(url, { state: `${state}A` }),
  'a state in capitals': async ({ url, state }) => changed(url, { state: `${state.toUpperCase()}a` }),
  'two states': async ({ url }) => new URL(`${url}&state=${'B'.repeat(32)}`),
  'a state with a wildcard': async ({ url }) => changed(url, { state: '%' }),
  'no code': async ({ url }) => changed(url, { code: null }),
  'an empty code': async ({ url }) => changed(url, { code: '' }),
  'a code that was never given': async ({ url }) => changed(url, { code: 'f'.repeat(32) }),
  'an error beside the code': async ({ url }) => changed(url, { error: 'access_denied' }),
  'another browser': async ({ url }) => ({ browser: new Browser(), url }),
  'a browser that began for itself': async ({ url }) => {
    const browser = new Browser();
    await rig.begin(ids.gitlab, browser);
    return { browser, url };
  },
  'a cookie without a signature': async ({ url, state }) => {
    const browser = new Browser();
    browser.jar(rig.url).set(STATE, state);
    return { browser, url };
  },
  'a cookie with another’s signature': async ({ url, state }) => {
    const browser = new Browser();
    await rig.begin(ids.gitlab, browser);
    const signature = browser.jar(rig.url).get(STATE)?.split('.')[1];
    browser.jar(rig.url).set(STATE, `${state}.${signature}`);
    return { browser, url };
  },
  'the state of an earlier try': async ({ browser, url }) => {
    await rig.begin(ids.gitlab, browser);
    return url;
  },
  'the code of another flow': async ({ url }) => {
    const theirs = await rig.begin(ids.gitlab, new Browser());
    return changed(url, { code: theirs.searchParams.get('code') });
  },
  'a code of another forge': async ({ url }) => {
    const theirs = await rig.begin(ids.github, new Browser());
    return changed(url, { code: theirs.searchParams.get('code') });
  },
  'mix-up: the state of another instance, and its code': async ({ browser }) => {
    const theirs = await rig.begin(ids.github, browser);
    return new URL(String(theirs).replace(ids.github, ids.gitlab));
  },
  'mix-up: the state of another instance, with a code of this one': async ({ browser, url }) => {
    const theirs = await rig.begin(ids.github, browser);
    return changed(url, { state: theirs.searchParams.get('state') });
  },
  'an instance that is not there': async ({ url }) => new URL(String(url).replace(ids.gitlab, 'gitlab-nowhere')),
  'a path in the place of the instance': async ({ url }) =>
    new URL(String(url).replace(ids.gitlab, `..%2fcallback%2f${ids.gitlab}`)),
  'a state that is too old': async ({ url }) => {
    await rewriteStates((state) => ({ ...state, expiresAt: 1 }));
    await rig.rows(`UPDATE verification SET expires_at = now() - interval '1 second'`);
    return url;
  },
  'a state whose row was taken away': async ({ url }) => {
    await rig.rows('DELETE FROM verification');
    return url;
  },
  'a state whose provider was taken out of it': async ({ url }) => {
    await rewriteStates(({ serverContext: _, ...rest }) => rest);
    return url;
  },
};

describe('state', () => {
  it('is good for the browser, the instance and the code that it was made for', async () => {
    const browser = new Browser();
    const url = await rig.begin(ids.gitlab, browser);
    expect((await comeBack(browser, url)).signedIn).toBe(true);
  });

  it.each(Object.keys(attacks))('%s', async (name) => {
    const browser = new Browser();
    const url = await rig.begin(ids.gitlab, browser);
    const tried = await attacks[name]?.({ browser, url, state: url.searchParams.get('state') ?? '' });
    if (tried === undefined) throw new Error('no attack');
    const { response, signedIn } =
      tried instanceof URL ? await comeBack(browser, tried) : await comeBack(tried.browser, tried.url);
    expect(signedIn).toBe(false);
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toMatch(/\/sign-in\?error=[a-z_]+/);
  });

  it('a person who says no is told so, and nobody signs in', async () => {
    gitlab.denies = true;
    const { url, browser } = await rig.go(ids.gitlab);
    expect(url).toBe(`${rig.url}/sign-in?error=access_denied`);
    expect(await (await browser.get(url)).text()).toContain('You did not allow');
  });

  it('comes back by GET alone', async () => {
    const browser = new Browser();
    const url = await rig.begin(ids.gitlab, browser);
    const form = Object.fromEntries(url.searchParams);
    const posted = await browser.post(`${url.origin}${url.pathname}`, form);
    expect(posted.status).toBe(404);
    expect(await rig.actor(browser)).toBeUndefined();
  });
});

describe('replay', () => {
  it.each([true, false])('the same way back twice is one session (a forge that forgets: %s)', async (lax) => {
    gitlab.lax = lax;
    const browser = new Browser();
    const url = await rig.begin(ids.gitlab, browser);
    expect((await comeBack(browser, url)).signedIn).toBe(true);
    const before = await sessions();
    await browser.get(String(url));
    expect(await sessions()).toBe(before);
  });

  it.each([1, 2, 3])('two at the same moment are one session, with a forge that forgets (%s)', async () => {
    gitlab.lax = true;
    const browser = new Browser();
    const url = await rig.begin(ids.gitlab, browser);
    const before = (await sessions()) ?? 0;
    // Both with the cookies of before.
    const cookie = [...browser.jar(rig.url)].map(([name, value]) => `${name}=${value}`).join('; ');
    const answers = await Promise.all([1, 2, 3, 4].map(() => fetch(url, { headers: { cookie }, redirect: 'manual' })));
    expect(await sessions()).toBe(before + 1);
    const signedIn = answers.filter((one) =>
      one.headers.getSetCookie().some((text) => text.startsWith('forgeway.session_token=')),
    );
    expect(signedIn).toHaveLength(1);
  });

  it('a verifier is sent once: the forge never sees the one of another flow', async () => {
    const sent = [...github.tokenRequests, ...gitlab.tokenRequests].map((form) => form.get('code_verifier'));
    const perCode = new Map<string, Set<string | null>>();
    for (const form of gitlab.tokenRequests) {
      const verifier = form.get('code_verifier') ?? '';
      perCode.set(verifier, (perCode.get(verifier) ?? new Set()).add(form.get('code')));
    }
    expect(sent.every((verifier) => /^[\w-]{43,128}$/.test(verifier ?? ''))).toBe(true);
    expect([...perCode.values()].every((codes) => codes.size === 1)).toBe(true);
  });
});

const EVIL = [
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  '/\r\nLocation: https://evil.example',
  '\t//evil.example',
  ' //evil.example',
  'https://evil.example',
  'https:evil.example',
  'https:/evil.example',
  'HTTPS://evil.example/',
  'http://127.0.0.1@evil.example/',
  'http://user:pass@127.0.0.1/',
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:msgbox(1)',
  'file:///etc/passwd',
  'forgeway://evil',
  'evil.example',
  'evil.example/path',
  '/%2f/evil.example',
  '/%5cevil.example',
  '/%2F%2Fevil.example',
  '/%252f/evil.example',
  '/..//evil.example',
  '/./\\evil.example',
  '/%09/evil.example',
  'http://127.0.0.1.evil.example/',
  'https://*.example/',
  '?next=//evil.example',
  '',
];

describe('where a browser is sent afterwards', () => {
  it.each(EVIL)('never %j', async (target) => {
    rig.later();
    const api = await fetch(`${rig.url}/api/auth/sign-in/social`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: rig.url },
      body: JSON.stringify({ provider: ids.gitlab, callbackURL: target }),
    });
    expect(api.status).toBe(400);
    expect(returnPath(target)).toBeUndefined();
    // What the form said is what the state holds: no need to go the whole way each time.
    await new Browser().post(`${rig.url}/sign-in`, { provider: ids.gitlab, return_to: target });
    const [last] = await states();
    expect(JSON.parse(last?.text ?? '')).toMatchObject({ callbackURL: '/' });
  });

  it.each(['/', '/setup', '/a/b?c=d&e=%2f#f', '/checks/1?next=//x'])('but %j', (target) => {
    expect(returnPath(target)).toBe(target);
  });

  it('the page before does not fall for it either', async () => {
    const page = await (
      await fetch(`${rig.url}/sign-in?return_to=${encodeURIComponent('//evil.example"><script>')}&error=<b>`)
    ).text();
    expect(page).not.toContain('evil.example');
    expect(page).not.toContain('<b>');
  });

  it.each([
    { scopes: ['api'] },
    { additionalParams: { prompt: 'none' } },
    { additionalData: { setup: 'x' } },
    { idToken: { token: 'x' } },
    { errorCallbackURL: '//evil.example' },
    { newUserCallbackURL: '//evil.example' },
    { requestSignUp: true },
    { disableRedirect: true },
    { loginHint: 'x' },
  ])('nothing else of the library may be asked for: %j', async (more) => {
    rig.later();
    const answer = await fetch(`${rig.url}/api/auth/sign-in/social`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: rig.url },
      body: JSON.stringify({ provider: ids.gitlab, ...more }),
    });
    expect(answer.status).toBe(400);
  });

  it.each([
    ['POST', '/sign-up/email'],
    ['POST', '/sign-in/email'],
    ['GET', '/get-session'],
    ['GET', '/list-sessions'],
    ['GET', '/list-accounts'],
    ['POST', '/link-social'],
    ['POST', '/unlink-account'],
    ['POST', '/get-access-token'],
    ['POST', '/update-user'],
    ['POST', '/change-email'],
    ['POST', '/delete-user'],
    ['GET', '/verify-email?token=x'],
    ['GET', '/error'],
    ['GET', '/ok'],
  ])('%s %s of the library is not there', async (method, path) => {
    const answer = await fetch(`${rig.url}/api/auth${path}`, { method, headers: { origin: rig.url } });
    expect(answer.status).toBe(404);
  });
});

describe('requests from elsewhere', () => {
  const elsewhere: [string, Record<string, string>][] = [
    ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['a sub-domain', { origin: rigOrigin('evil.127.0.0.1'), 'sec-fetch-site': 'same-site' }],
    ['another port', { origin: 'http://127.0.0.1:1' }],
    ['another scheme', { origin: 'https://127.0.0.1' }],
    ['nowhere', { origin: 'null' }],
  ];
  function rigOrigin(host: string) {
    return `http://${host}`;
  }

  it.each(elsewhere)('%s signs nobody in, out, or out everywhere, and sets nothing up', async (_name, headers) => {
    const { browser } = await rig.go(ids.gitlab);
    const before = await sessions();
    for (const path of [
      '/sign-in',
      '/sign-out',
      '/sign-out-everywhere',
      '/api/auth/sign-out',
      '/api/auth/sign-out-everywhere',
      '/setup/clients',
      '/setup/clients/remove',
      '/setup/policy',
    ]) {
      const answer = await browser.post(`${rig.url}${path}`, { provider: ids.gitlab }, headers);
      expect([path, answer.status]).toEqual([path, 403]);
    }
    expect(await sessions()).toBe(before);
    expect(await rig.actor(browser)).toBeDefined();
  });

  it('a browser that names no origin is believed when it says that the page is ours', async () => {
    const { browser } = await rig.go(ids.gitlab);
    const post = (headers: Record<string, string>) =>
      browser.fetch(`${rig.url}/sign-out`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: '',
      });
    expect((await post({})).status).toBe(403);
    expect((await post({ 'sec-fetch-site': 'same-site' })).status).toBe(403);
    expect((await post({ 'sec-fetch-site': 'same-origin' })).status).toBe(303);
    expect(await rig.actor(browser)).toBeUndefined();
  });

  it('cookies are out of reach of scripts and of other sites’ requests', async () => {
    const { browser } = await rig.go(ids.gitlab);
    const kept = browser.setCookies.filter((cookie) => /^forgeway\.(state|session_token)=[^;]/.test(cookie));
    expect(kept).toHaveLength(2);
    for (const cookie of kept) expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Lax$/);
  });
});

describe('limits', () => {
  const start = (headers: Record<string, string> = {}) =>
    new Browser().post(`${rig.url}/sign-in`, { provider: ids.github }, headers);

  it('ten a minute from one address, whatever it says that it is', async () => {
    rig.later();
    const tries: number[] = [];
    for (let at = 0; at < 12; at++) tries.push((await start({ 'x-forwarded-for': `198.51.100.9` })).status);
    expect(tries).toEqual([...Array(10).fill(303), 429, 429]);
    // Another address behind the same trusted proxy.
    expect((await start({ 'x-forwarded-for': '198.51.100.10' })).status).toBe(303);
    // What stands further left is the client's own word.
    expect((await start({ 'x-forwarded-for': '203.0.113.1, 198.51.100.9' })).status).toBe(429);
    // The way back counts too.
    const back = await fetch(`${rig.url}/api/auth/callback/${ids.github}?state=x`, {
      headers: { 'x-forwarded-for': '198.51.100.9' },
    });
    expect(back.status).toBe(429);
    rig.time.now = new Date(rig.time.now.getTime() + 59_000);
    expect((await start({ 'x-forwarded-for': '198.51.100.9' })).status).toBe(429);
    rig.time.now = new Date(rig.time.now.getTime() + 1_001);
    expect((await start({ 'x-forwarded-for': '198.51.100.9' })).status).toBe(303);
  });

  it('five a minute of one person, from however many addresses', async () => {
    rig.later();
    github.person = { id: 55, login: 'often' };
    const errors: (string | null)[] = [];
    for (let at = 0; at < 7; at++) {
      const browser = new Browser();
      const headers = { 'x-forwarded-for': `203.0.113.${at}` };
      const begun = await browser.post(`${rig.url}/sign-in`, { provider: ids.github }, headers);
      const agreed = await browser.get(begun.headers.get('location') ?? '');
      const back = await browser.get(agreed.headers.get('location') ?? '', headers);
      errors.push(new URL(back.headers.get('location') ?? '', rig.url).searchParams.get('error'));
    }
    expect(errors).toEqual([null, null, null, null, null, 'too_many_attempts', 'too_many_attempts']);
  });
});
