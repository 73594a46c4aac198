/** Devices and apps: a short code compared by a person, a link that carries a code once. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Browser } from '../support/browser.js';
import { type OAuthForge, startOAuthForge } from '../support/oauth-forge.js';
import { type SignInRig, startSignInRig } from '../support/sign-in-rig.js';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

let rig: SignInRig;
let provider: string;
let forge: OAuthForge;
let mona: Browser;
let other: Browser;
beforeAll(async () => {
  rig = await startSignInRig();
  await rig.policy('open');
  forge = await startOAuthForge('gitea', { id: 1, login: 'mona' });
  provider = await rig.register('gitea', forge);
  mona = (await rig.go(provider)).browser;
  forge.person = { id: 2, login: 'other' };
  await signInAgain();
});
afterAll(async () => {
  await forge.close();
  await rig.close();
});

const signInAgain = async () => {
  other = (await rig.go(provider)).browser;
};
const json = async (path: string, body: unknown) => {
  const answer = await fetch(`${rig.url}/api/auth/device/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
};
async function begin(name = 'a laptop') {
  rig.later();
  const { body } = await json('code', { client_name: name });
  return {
    deviceCode: body.device_code ?? '',
    userCode: body.user_code ?? '',
    link: body.verification_uri_complete ?? '',
  };
}
/** After the time that a device must wait. */
async function poll(deviceCode: string) {
  await rig.rows(`UPDATE sign_in_code SET last_polled_at = last_polled_at - interval '10 seconds'`);
  return json('token', { grant_type: DEVICE, device_code: deviceCode });
}
const decide = (browser: Browser, userCode: string, answer: string, headers: Record<string, string> = {}) =>
  browser.post(`${rig.url}/device`, { user_code: userCode, answer }, headers);
const asDevice = (token = '') => rig.sessionActor({ authorization: `Bearer ${token}` });

describe('a device with a short code', () => {
  it('waits, is allowed by whoever it shows the code, and gets one session', async () => {
    const { deviceCode, userCode, link } = await begin('Mona’s \u202e<b>laptop</b>\u200b\n');
    expect(userCode).toMatch(/^[B-Z2-9]{4}-[B-Z2-9]{4}$/);
    expect((await poll(deviceCode)).body).toEqual({ error: 'authorization_pending' });
    const page = await (await mona.get(link)).text();
    expect(page).toContain('<strong>Mona’s &#60;b&#62;laptop&#60;/b&#62;</strong>');
    expect(page).toContain('127.0.0.1');
    expect(await (await decide(mona, userCode.toLowerCase().replace('-', ' '), 'allow')).text()).toContain('Signed in');
    const { body } = await poll(deviceCode);
    expect(body.access_token).toMatch(/^fws_/);
    expect(await asDevice(body.access_token)).toMatchObject({ name: 'mona', kind: 'user' });
    expect((await poll(deviceCode)).body).toEqual({ error: 'invalid_grant' });
    // The database alone does not give it away.
    const [row] = await rig.rows<{ token: string }>('SELECT token FROM session ORDER BY created_at DESC LIMIT 1');
    expect(await asDevice(`fws_${row?.token}`)).toBeUndefined();
    expect(await asDevice(`${body.access_token?.slice(0, -3)}AAA`)).toBeUndefined();
  });

  it('four that ask at the same moment get one session', async () => {
    const { deviceCode, userCode } = await begin();
    await decide(mona, userCode, 'allow');
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => json('token', { grant_type: DEVICE, device_code: deviceCode })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('is told to slow down', async () => {
    const { deviceCode } = await begin();
    await poll(deviceCode);
    expect((await json('token', { grant_type: DEVICE, device_code: deviceCode })).body).toEqual({ error: 'slow_down' });
  });

  it('refused, too late, made up: nothing', async () => {
    const refused = await begin();
    await decide(mona, refused.userCode, 'deny');
    expect((await poll(refused.deviceCode)).body).toEqual({ error: 'access_denied' });
    expect(await (await decide(mona, refused.userCode, 'allow')).text()).toContain('Too late');

    const late = await begin();
    await rig.rows(`UPDATE sign_in_code SET expires_at = now() - interval '1 second'`);
    expect(await (await decide(mona, late.userCode, 'allow')).text()).toContain('Too late');
    expect((await poll(late.deviceCode)).body).toEqual({ error: 'expired_token' });

    const allowed = await begin();
    await decide(mona, allowed.userCode, 'allow');
    await rig.rows(`UPDATE sign_in_code SET expires_at = now() - interval '1 second'`);
    expect((await poll(allowed.deviceCode)).body).toEqual({ error: 'expired_token' });
    for (const code of ['', 'x', allowed.userCode]) expect((await poll(code)).status).toBe(400);
  });

  it('is allowed by nobody from another site, nor by who is not signed in', async () => {
    const { deviceCode, userCode, link } = await begin();
    expect((await decide(mona, userCode, 'allow', { origin: 'https://evil.example' })).status).toBe(403);
    const nobody = await new Browser().get(link);
    expect(nobody.headers.get('location')).toBe(
      `/sign-in?return_to=${encodeURIComponent(`/device?user_code=${userCode}`)}`,
    );
    expect((await decide(new Browser(), userCode, 'allow')).status).toBe(303);
    expect((await poll(deviceCode)).body).toEqual({ error: 'authorization_pending' });
  });

  it('one person may look ten codes up in a minute', async () => {
    rig.later();
    const tries: number[] = [];
    for (let at = 0; at < 11; at++) tries.push((await other.get(`${rig.url}/device?user_code=BBBB-BBB${at}`)).status);
    expect(tries).toEqual([...Array(10).fill(200), 429]);
  });

  it('one person may decide about ten in a minute: a code that is guessed there is as good as one looked up', async () => {
    rig.later();
    const tries: number[] = [];
    for (let at = 0; at < 11; at++) tries.push((await decide(other, `CCCC-CCC${at}`, 'allow')).status);
    expect(tries).toEqual([...Array(10).fill(200), 429]);
    const { deviceCode, userCode } = await begin();
    await decide(mona, userCode, 'allow');
    expect((await poll(deviceCode)).status).toBe(200);
  });

  it('that was allowed and has not asked yet gets nothing once its person has signed out everywhere', async () => {
    const { deviceCode, userCode } = await begin();
    expect(await (await decide(other, userCode, 'allow')).text()).toContain('Signed in');
    const verifier = randomBytes(32).toString('base64url');
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    const link = await other.post(`${rig.url}/device/app`, { challenge, state: 'abc' });
    const code = new URL(link.headers.get('location') ?? '').searchParams.get('code');
    await other.post(`${rig.url}/sign-out-everywhere`, {});
    expect((await poll(deviceCode)).body).toEqual({ error: 'invalid_grant' });
    const redeemed = await json('token', { grant_type: 'authorization_code', code, code_verifier: verifier });
    expect(redeemed.body).toEqual({ error: 'invalid_grant' });
    // Only theirs.
    const mine = await begin();
    await decide(mona, mine.userCode, 'allow');
    await signInAgain();
    await other.post(`${rig.url}/sign-out-everywhere`, {});
    expect((await poll(mine.deviceCode)).status).toBe(200);
    await signInAgain();
  });

  it('ends with all sessions of its person, and is none for a suspended one', async () => {
    const { deviceCode, userCode } = await begin();
    await decide(other, userCode, 'allow');
    const { body } = await poll(deviceCode);
    expect(await asDevice(body.access_token)).toBeDefined();
    await other.post(`${rig.url}/sign-out-everywhere`, {});
    expect(await asDevice(body.access_token)).toBeUndefined();
    const again = await begin();
    await signInAgain();
    await decide(other, again.userCode, 'allow');
    await rig.rows(`UPDATE "user" SET suspended_at = now() WHERE name = 'other'`);
    expect((await poll(again.deviceCode)).body).toEqual({ error: 'access_denied' });
  });

  it('keeps its codes as hashes', async () => {
    const { deviceCode, userCode } = await begin();
    const [{ text } = { text: '' }] = await rig.rows<{ text: string }>(
      'SELECT json_agg(c)::text AS text FROM sign_in_code c',
    );
    for (const code of [deviceCode, userCode, userCode.replace('-', '')]) expect(text).not.toContain(code);
  });
});

describe('an app that is opened by a link', () => {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const allow = async () => {
    rig.later();
    const answer = await mona.post(`${rig.url}/device/app`, { challenge, state: 'abc' });
    const link = new URL(answer.headers.get('location') ?? '');
    return { link, code: link.searchParams.get('code') ?? '' };
  };
  const redeem = (code: string, code_verifier = verifier) =>
    json('token', { grant_type: 'authorization_code', code, code_verifier });

  it('asks the person, is sent a code to its own address alone, and gets one session', async () => {
    const page = await (await mona.get(`${rig.url}/device/app?challenge=${challenge}&state=abc`)).text();
    expect(page).toContain('signed in as <strong>mona');
    const { link, code } = await allow();
    expect(link.href).toMatch(/^forgeway:\/\/auth\?code=[\w-]{43}&state=abc$/);
    const { body } = await redeem(code);
    expect(await asDevice(body.access_token)).toMatchObject({ name: 'mona' });
    expect((await redeem(code)).body).toEqual({ error: 'invalid_grant' });
  });

  it('a code that somebody else caught is worth nothing, to them and afterwards', async () => {
    const { code } = await allow();
    expect((await redeem(code, randomBytes(32).toString('base64url'))).body).toEqual({ error: 'invalid_grant' });
    expect((await redeem(code)).body).toEqual({ error: 'invalid_grant' });
  });

  it('too late', async () => {
    const { code } = await allow();
    await rig.rows(`UPDATE sign_in_code SET expires_at = now() - interval '1 second'`);
    expect((await redeem(code)).body).toEqual({ error: 'invalid_grant' });
  });

  it.each([
    { challenge: 'short', state: 'a' },
    { challenge, state: 'a&redirect=https://evil.example' },
    { challenge, state: '' },
    { challenge: `${challenge}"`, state: 'a' },
  ])('is asked for as it should be, or not at all: %j', async (query) => {
    expect((await mona.get(`${rig.url}/device/app?${new URLSearchParams(query)}`)).status).toBe(400);
    expect((await mona.post(`${rig.url}/device/app`, query)).status).toBe(400);
  });
});
