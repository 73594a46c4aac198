import { describe, expect, it } from '@jest/globals';
import { keepCredential, withoutOurSecrets } from './without-secrets.js';

const TOKEN = '0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c';
const spokenWith = keepCredential(new Headers({ authorization: `token ${TOKEN}` }));

const answer = (status: number, body: string | null, headers: Record<string, string> = {}) => {
  const response = new Response(body, { status, headers });
  Object.defineProperty(response, 'url', { value: 'https://git.example.com/api' });
  return withoutOurSecrets(response, spokenWith);
};

describe('answers of forges', () => {
  it.each([401, 422, 500, 503])('lose the credential where they are a failure: %d', async (status) => {
    const basic = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');
    const told = await answer(status, JSON.stringify({ message: `bad ${TOKEN}`, was: basic }), { 'x-a': 'b' });
    expect(await told.json()).toEqual({
      message: 'bad [redacted]',
      was: expect.stringMatching(/^\S*\[redacted\]\S*$/),
    });
    expect([told.status, told.headers.get('x-a'), told.url]).toEqual([status, 'b', 'https://git.example.com/api']);
  });

  it('lose it in the address that they redirect to', async () => {
    const told = await answer(302, null, { location: `https://elsewhere.example/?access_token=${TOKEN}` });
    expect(told.headers.get('location')).toBe('https://elsewhere.example/?access_token=[redacted]');
  });

  it('keep what others spoke with, and lead where the forge says', async () => {
    const others = keepCredential(new Headers({ authorization: 'Bearer codeload.example.com' }));
    const at = 'https://codeload.example.com/archive';
    const told = await answer(302, 'see codeload.example.com', { location: at });
    expect([told.headers.get('location'), await told.text()]).toEqual([at, 'see codeload.example.com']);
    expect(others).toBe('codeload.example.com');
  });

  it('are cut where a failure has too much to say', async () => {
    const told = await answer(500, 'x'.repeat(3 * 1024 * 1024));
    expect((await told.text()).length).toBe(1024 * 1024);
  });

  it('are what they were otherwise', async () => {
    expect(await (await answer(201, `{"token":"${TOKEN}"}`)).text()).toContain(TOKEN);
    const page = Buffer.from([0xff, 0x00, 0xc3]);
    const same = await withoutOurSecrets(new Response(page, { status: 404 }), spokenWith);
    expect(Buffer.from(await same.arrayBuffer())).toEqual(page);
  });
});
