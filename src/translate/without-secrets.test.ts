import { describe, expect, it } from '@jest/globals';
import { keepCredential, withoutOurSecrets } from './without-secrets.js';

const TOKEN = '0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c';
keepCredential(new Headers({ authorization: `token ${TOKEN}` }));

const answer = (status: number, body: string | null, headers: Record<string, string> = {}) => {
  const response = new Response(body, { status, headers });
  Object.defineProperty(response, 'url', { value: 'https://git.example.com/api' });
  return withoutOurSecrets(response);
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

  it('are what they were otherwise', async () => {
    expect(await (await answer(201, `{"token":"${TOKEN}"}`)).text()).toContain(TOKEN);
    const page = Buffer.from([0xff, 0x00, 0xc3]);
    const same = await withoutOurSecrets(new Response(page, { status: 404 }));
    expect(Buffer.from(await same.arrayBuffer())).toEqual(page);
  });
});
