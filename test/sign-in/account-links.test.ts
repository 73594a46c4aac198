/** Accounts that people connect with their consent: the way there and back on each forge, and what does not come through. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openSecrets } from '../../src/accounts/vault-columns.js';
import { Browser } from '../support/browser.js';
import { type OAuthForge, type OAuthPerson, startOAuthForge } from '../support/oauth-forge.js';
import { type SignInRig, startSignInRig } from '../support/sign-in-rig.js';

const FORGES = ['github', 'gitlab', 'gitea'];
const ada: OAuthPerson = { id: 7, login: 'ada' };

let rig: SignInRig;
const forges = new Map<string, OAuthForge>();
const providers = new Map<string, string>();

beforeAll(async () => {
  rig = await startSignInRig();
  for (const id of FORGES) {
    const forge = await startOAuthForge(id, ada);
    forges.set(id, forge);
    providers.set(id, await rig.register(id, forge));
  }
  await rig.policy('open');
});
afterAll(async () => {
  for (const forge of forges.values()) await forge.close();
  await rig.close();
});
beforeEach(async () => {
  await noMembers();
  await rig.db.store('migrate').tenant(rig.db.organizationId, (tx) => tx.query('DELETE FROM connection'));
  for (const forge of forges.values()) Object.assign(forge, { denies: false, person: ada });
});

const noMembers = () => rig.db.store('migrate').tenant(rig.db.organizationId, (tx) => tx.query('DELETE FROM member'));
const forgeOf = (id: string): OAuthForge => forges.get(id) as OAuthForge;
const providerOf = (id: string): string => providers.get(id) ?? '';
const connections = () =>
  rig.store.tenant(
    rig.db.organizationId,
    async (tx) => (await tx.query('SELECT * FROM connection ORDER BY created_at')).rows,
  );

/** Signs in with a forge, and belongs to the organization. */
async function member(id = 'gitlab', browser = new Browser()): Promise<{ browser: Browser; userId: string }> {
  await rig.go(providerOf(id), browser);
  const actor = await rig.actor(browser);
  const userId = actor?.userId ?? '';
  await rig.db
    .store('migrate')
    .tenant(rig.db.organizationId, (tx) =>
      tx.query(`INSERT INTO member (organization_id, user_id, role) VALUES ($1, $2, 'viewer')`, [
        rig.db.organizationId,
        userId,
      ]),
    );
  return { browser, userId };
}

/** From the button to the forge, which is not followed yet. */
async function begin(browser: Browser, id: string): Promise<string> {
  rig.later();
  const answer = await browser.post(`${rig.url}/account/connect`, {
    provider: providerOf(id),
    organization: rig.db.organizationId,
  });
  return answer.headers.get('location') ?? `${answer.status} ${await answer.text()}`;
}

async function connect(browser: Browser, id: string): Promise<{ url: string; page: string }> {
  const { url, response } = await browser.follow(await browser.get(await begin(browser, id)), rig.url);
  return { url, page: await response.text() };
}

describe.each(FORGES)('an account on %s', (id) => {
  it('is connected with consent, sealed, seen by its person alone, and taken away', async () => {
    const { browser, userId } = await member();
    // Whoever agrees there need not be who signed in here.
    forgeOf(id).person = { id: 4_711, login: 'ada-at-work' };
    const { page } = await connect(browser, id);
    const { host } = new URL(forgeOf(id).url);
    expect(page).toContain(`ada-at-work on ${host} is connected.`);
    const [row] = await connections();
    expect(row).toMatchObject({
      kind: 'oauth',
      forge: id,
      host,
      user_id: userId,
      provider_account_id: '4711',
      status: 'active',
    });
    const asked = forgeOf(id).authorizeRequests.at(-1);
    expect(asked?.get('scope')?.length).toBeGreaterThan(0);
    expect(asked?.get('redirect_uri')).toBe(rig.signIn.callbackUrl(providerOf(id)));
    const { access_token } = openSecrets(
      rig.vault,
      { table: 'connection', organizationId: rig.db.organizationId, rowId: row.id },
      row,
    );
    expect(access_token).toMatch(/^token-[0-9a-f]{32}$/);
    expect(JSON.stringify(row)).not.toContain(access_token);

    const { browser: other } = await member('github');
    expect(await (await other.get(`${rig.url}/account`)).text()).not.toContain('ada-at-work');
    const form = { id: row.id, organization: rig.db.organizationId };
    expect((await other.post(`${rig.url}/account/remove`, form)).status).toBe(404);
    expect(await connections()).toHaveLength(1);

    const gone = await browser.post(`${rig.url}/account/remove`, form);
    expect(await gone.text()).toContain('was taken away');
    expect(await connections()).toEqual([]);
  });

  it('stays unconnected when its person does not agree', async () => {
    const { browser } = await member();
    forgeOf(id).denies = true;
    const { page } = await connect(browser, id);
    expect(page).toContain('You did not allow it');
    expect(await connections()).toEqual([]);
  });
});

describe('what comes back', () => {
  it('counts once, in the session that began it, at the instance that it began at', async () => {
    const { browser } = await member();
    const there = await begin(browser, 'gitea');
    const back = (await browser.get(there)).headers.get('location') ?? '';
    expect(new URL(back).searchParams.get('code')).toMatch(/./);

    const stranger = new Browser();
    const { browser: other } = await member('github');
    const moved = new URL(back);
    moved.pathname = moved.pathname.replace(providerOf('gitea'), providerOf('gitlab'));
    for (const [who, address] of [
      [stranger, back],
      [other, back],
      [browser, moved.href],
    ] as const) {
      // Each uses its state up, so each has one of its own.
      const own = who === stranger || who === other ? address : await again(browser, 'gitea', 'gitlab');
      const answer = await who.get(own);
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain('Begin again');
    }
    // What another browser tried is worth nothing to the right one either.
    expect((await browser.get(back)).status).toBe(400);
    expect(await connections()).toEqual([]);
    expect(
      forgeOf('gitea').tokenRequests.filter(
        (request) => request.get('code') === new URL(back).searchParams.get('code'),
      ),
    ).toEqual([]);
  });

  /** A good answer of one instance at the address of another. */
  async function again(browser: Browser, from: string, to: string): Promise<string> {
    const back = new URL((await browser.get(await begin(browser, from))).headers.get('location') ?? '');
    back.pathname = back.pathname.replace(providerOf(from), providerOf(to));
    return back.href;
  }

  it('is nothing after ten minutes, or after signing out', async () => {
    const { browser } = await member();
    const late = (await browser.get(await begin(browser, 'gitlab'))).headers.get('location') ?? '';
    rig.time.now = new Date(rig.time.now.getTime() + 11 * 60_000);
    expect((await browser.get(late)).status).toBe(400);
    const left = (await browser.get(await begin(browser, 'gitlab'))).headers.get('location') ?? '';
    await browser.post(`${rig.url}/sign-out`, {});
    expect((await browser.get(left)).status).toBe(400);
    expect(await connections()).toEqual([]);
  });

  it('makes nothing for somebody whose membership ended on the way', async () => {
    const { browser } = await member();
    const back = (await browser.get(await begin(browser, 'gitlab'))).headers.get('location') ?? '';
    await noMembers();
    const answer = await browser.get(back);
    expect([answer.status, await connections()]).toEqual([400, []]);
    expect(await answer.text()).toContain('Only those who belong to the organization');
  });

  it('is the same connection when the same account is connected again', async () => {
    const { browser } = await member();
    await connect(browser, 'gitlab');
    await connect(browser, 'gitlab');
    expect(await connections()).toHaveLength(1);
  });
});

it('can be taken away, and no other be connected, while no forge confirms that its person belongs there', async () => {
  const { browser, userId } = await member();
  await connect(browser, 'gitlab');
  const [row] = await connections();
  await rig.db
    .store('migrate')
    .tenant(rig.db.organizationId, (tx) =>
      tx.query(`UPDATE member SET origin = 'forge', confirmed_at = now() - interval '25 hours' WHERE user_id = $1`, [
        userId,
      ]),
    );
  expect(await begin(browser, 'gitea')).toMatch(/^404 /);
  expect(await (await browser.get(`${rig.url}/account`)).text()).toContain(row.id);
  await browser.post(`${rig.url}/account/remove`, { id: row.id, organization: rig.db.organizationId });
  expect(await connections()).toEqual([]);
});

it('takes membership, whichever organization is named', async () => {
  const { browser } = await member();
  await noMembers();
  rig.later();
  const form = { provider: providerOf('gitlab'), organization: rig.db.organizationId };
  expect((await browser.post(`${rig.url}/account/connect`, form)).status).toBe(404);
  expect(await (await browser.get(`${rig.url}/account`)).text()).toContain('You belong to no organization here yet');
});
