import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { WebhookHeaders } from '../forge.js';
import { forgejo, gitea } from './forge.js';
import { permissionOf } from './roles.js';

const FORM = 'application/x-www-form-urlencoded';
const text = '{"title":"100 % + Füße & 🙏"}';
const body = Buffer.from(text);
/** As Go's url.Values writes it. */
const form = Buffer.from('payload=%7B%22title%22%3A%22100+%25+%2B+F%C3%BC%C3%9Fe+%26+%F0%9F%99%8F%22%7D');
const hmac = (secret: string, content: Buffer = body) => createHmac('sha256', secret).update(content).digest('hex');

function verifies(headers: WebhookHeaders, secrets: readonly string[], content = body): boolean {
  const check = gitea.signatureCheck(headers, secrets);
  if (check === undefined) return false;
  for (let at = 0; at < content.length; at += 5) check.update(content.subarray(at, at + 5));
  return check.valid();
}
const signed = (signature: string | string[] | undefined, more: WebhookHeaders = {}): WebhookHeaders => ({
  'content-type': 'application/json',
  'x-gitea-signature': signature,
  ...more,
});

describe('signatureCheck', () => {
  it('accepts what openssl computed', () => {
    const signature = 'ff8d51104bee1d4c84d12f619f26910b05300f528b16aa0d8abfd1efc807cdf6';
    expect(verifies(signed(signature), ["It's a Secret to Everybody"])).toBe(true);
    expect(
      verifies(signed(signature, { 'content-type': `${FORM}; charset=utf-8` }), ["It's a Secret to Everybody"], form),
    ).toBe(true);
  });

  it('accepts the signature of any of the secrets, over a body that comes in pieces', () => {
    for (const secret of ['one', 'two']) expect(verifies(signed(hmac(secret)), ['two', 'one'])).toBe(true);
  });

  it('reads Forgejo’s header first, and no other when it is there', () => {
    expect(verifies({ 'x-forgejo-signature': hmac('one') }, ['one'])).toBe(true);
    expect(verifies({ 'x-forgejo-signature': '', 'x-gitea-signature': hmac('one') }, ['one'])).toBe(false);
    expect(verifies({ 'x-forgejo-signature': hmac('other'), 'x-gitea-signature': hmac('one') }, ['one'])).toBe(false);
  });

  it('does not take GitHub’s or Gogs’ in its place', () => {
    expect(verifies({ 'x-hub-signature-256': `sha256=${hmac('one')}` }, ['one'])).toBe(false);
    expect(verifies({ 'x-gogs-signature': hmac('one') }, ['one'])).toBe(false);
    expect(verifies(signed('', { 'x-hub-signature-256': `sha256=${hmac('one')}` }), ['one'])).toBe(false);
  });

  it('is of the decoded field of a form, and of nothing else in it', () => {
    const asForm = { 'content-type': FORM };
    expect(verifies(signed(hmac('one'), asForm), ['one'], form)).toBe(true);
    expect(verifies(signed(hmac('one', form), asForm), ['one'], form)).toBe(false);
    expect(verifies(signed(hmac('one'), asForm), ['one'], Buffer.concat([form, Buffer.from('&payload={}')]))).toBe(
      false,
    );
    expect(verifies(signed(hmac('one'), asForm), ['one'], Buffer.concat([form, Buffer.from('+')]))).toBe(false);
    expect(verifies(signed(hmac('one', Buffer.from('')), asForm), ['one'], Buffer.from('other=1'))).toBe(false);
    // A form that is sent as JSON is checked as it stands.
    expect(verifies(signed(hmac('one')), ['one'], form)).toBe(false);
  });

  const good = hmac('one');
  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['of another secret', hmac('other')],
    ['prefixed as GitHub’s', `sha256=${good}`],
    ['in upper case', good.toUpperCase()],
    ['one digit short', good.slice(0, -1)],
    ['one digit long', `${good}0`],
    ['not hex', 'g'.repeat(64)],
    ['sent twice', [good, good]],
    ['joined with another', `${good}, ${good}`],
    ['with a space before', ` ${good}`],
    ['with a line break after', `${good}\n`],
    ['in full-width digits', '１'.repeat(64)],
  ])('refuses one that is %s', (_what, signature) => {
    expect(verifies(signed(signature), ['one'])).toBe(false);
  });

  it('refuses everything when there is no secret, or only empty ones', () => {
    expect(verifies(signed(good), [])).toBe(false);
    expect(gitea.signatureCheck(signed(good), ['', ''])).toBeUndefined();
    expect(verifies(signed(hmac('')), [''])).toBe(false);
    expect(verifies(signed(hmac('')), ['', 'one'])).toBe(false);
  });

  it('refuses every body that differs in one bit', () => {
    for (const [content, headers] of [
      [body, signed(good)],
      [form, signed(good, { 'content-type': FORM })],
    ] as const)
      for (let bit = 0; bit < content.length * 8; bit += 1) {
        const changed = Buffer.from(content);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        // Hex digits in either case, and a space for a plus, are the same form.
        if (headers['content-type'] === FORM && sameField(changed)) continue;
        expect(verifies(headers, ['one'], changed)).toBe(false);
      }
  });
});

const sameField = (changed: Buffer): boolean => new URLSearchParams(changed.toString('utf8')).get('payload') === text;

describe('headers', () => {
  it('take a printable delivery id of bounded length, the nearest relative’s first', () => {
    const key = (value: string | string[] | undefined) => gitea.deliveryKey({ 'x-gitea-delivery': value });
    expect(key('f6266f16-1bf3-46a5-9ea4-602e06ead473')).toBe('f6266f16-1bf3-46a5-9ea4-602e06ead473');
    for (const bad of [undefined, '', 'a b', 'a\n', 'x'.repeat(101), 'ü', ['a', 'b']]) expect(key(bad)).toBeUndefined();
    expect(gitea.deliveryKey({ 'x-gitea-delivery': 'b', 'x-forgejo-delivery': 'a' })).toBe('a');
    expect(gitea.deliveryKey({ 'x-github-delivery': 'd' })).toBe('d');
  });

  it.each<[string, WebhookHeaders]>([
    ['push', { 'x-gitea-event': 'push', 'x-gitea-event-type': 'push' }],
    [
      'pull_request/pull_request_label',
      { 'x-gitea-event': 'pull_request', 'x-gitea-event-type': 'pull_request_label' },
    ],
    [
      'issue_comment/pull_request_comment',
      { 'x-forgejo-event': 'issue_comment', 'x-forgejo-event-type': 'pull_request_comment', 'x-gitea-event': 'push' },
    ],
    ['package', { 'x-gitea-event': '', 'x-gitea-event-type': 'package' }],
    ['pull_request_approved', { 'x-gitea-event': 'pull_request_approved' }],
    ['issues/issue_label', { 'x-github-event': 'issues', 'x-github-event-type': 'issue_label' }],
    ['create', { 'x-gogs-event': 'create', 'x-github-event': 'create' }],
    ['', { 'x-gitea-event': ['push', 'ping'] }],
    ['', { 'x-gitea-event': 'Push!' }],
    ['', {}],
  ])('name the event %s', (expected, headers) => expect(gitea.eventType(headers)).toBe(expected));

  it('are not kept when they carry a signature or a credential', () => {
    expect(gitea.storedHeaders).toEqual(expect.arrayContaining(['x-gitea-delivery', 'x-forgejo-event-type']));
    for (const name of gitea.storedHeaders) expect(name).not.toMatch(/signature|authorization|cookie|token/);
  });
});

describe('parse', () => {
  it('reads JSON, and JSON in a form', () => {
    const payload = JSON.parse(text) as unknown;
    expect(gitea.parse('application/json', body)).toEqual({ payload });
    expect(gitea.parse(`${FORM.toUpperCase()}; charset=UTF-8`, form)).toEqual({ payload });
  });

  it.each([
    ['nothing', 'application/json', ''],
    ['a truncated object', 'application/json', '{"a":'],
    ['a list', 'application/json', '[{}]'],
    ['a form without its field', FORM, 'other=1'],
    ['a form with two of them', FORM, 'payload={}&payload={}'],
    ['a form with something else than an object', FORM, 'payload=%5B%5D'],
    ['half an escape', FORM, 'payload=%7B%'],
  ])('says why %s is no payload', (_what, type, content) => {
    expect(gitea.parse(type, Buffer.from(content))).toEqual({
      invalid: expect.stringMatching(/^The (body|form) .+\.$/),
    });
  });
});

describe('the descriptors', () => {
  it('are two, alike but for their names', () => {
    const { id, label, tag, cloudUrl, endpoint, eventSupport: _, configFolders: __, startFake: ___, ...rest } = gitea;
    expect([id, label, tag, cloudUrl]).toEqual(['gitea', 'Gitea', 'gt', 'https://gitea.com']);
    expect([forgejo.id, forgejo.label, forgejo.tag, forgejo.cloudUrl]).toEqual([
      'forgejo',
      'Forgejo',
      'fj',
      'https://codeberg.org',
    ]);
    expect(forgejo).toMatchObject(rest);
    expect(endpoint('https://git.example.com/code/')).toMatchObject({
      forge: 'gitea',
      host: 'git.example.com/code',
      apiUrl: 'https://git.example.com/code/api/v1',
    });
    expect(forgejo.endpoint('http://localhost:3000')).toMatchObject({
      forge: 'forgejo',
      host: 'localhost:3000',
      apiUrl: 'http://localhost:3000/api/v1',
    });
  });

  it('know what the forge’s permissions are called on GitHub', () => {
    expect(['owner', 'admin', 'write', 'read', 'none'].map(permissionOf)).toEqual([
      'admin',
      'admin',
      'write',
      'read',
      'none',
    ]);
    for (const word of [undefined, null, '', 'root', 'constructor', 7]) expect(permissionOf(word)).toBe('none');
  });
});
