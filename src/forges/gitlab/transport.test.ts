import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { WebhookHeaders } from '../forge.js';
import { gitlab } from './forge.js';
import { accessLevelOf, permissionOf } from './roles.js';
import { signatureCheck } from './verify.js';

const body = Buffer.from(JSON.stringify({ object_kind: 'push', message: 'Füße' }));
const NOW = new Date('2026-03-02T10:00:00Z');
const SECONDS = NOW.getTime() / 1_000;
const ID = 'a6ab3b5e-0d43-4b0c-9e0a-1f6a1c8f6b11';
const tokenOf = (letter: string) => `whsec_${Buffer.from(letter.repeat(32)).toString('base64')}`;
const ONE = tokenOf('1');
const TWO = tokenOf('2');

const sign = (secret: string, content: Buffer = body, id = ID, timestamp = SECONDS) =>
  `v1,${createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
    .update(`${id}.${timestamp}.`)
    .update(content)
    .digest('base64')}`;

function verifies(headers: WebhookHeaders, secrets: readonly string[], content = body, now = NOW): boolean {
  const check = signatureCheck(headers, secrets, now);
  if (check === undefined) return false;
  for (let at = 0; at < content.length; at += 5) check.update(content.subarray(at, at + 5));
  return check.valid();
}

const signed = (signature: string | string[] | undefined, over: WebhookHeaders = {}): WebhookHeaders => ({
  'webhook-id': ID,
  'webhook-timestamp': String(SECONDS),
  'webhook-signature': signature,
  ...over,
});

describe('the shared token', () => {
  const token = (value: string | string[] | undefined) => ({ 'x-gitlab-token': value });

  it('is one of the secrets, whatever the body', () => {
    expect(verifies(token('one'), ['one'])).toBe(true);
    expect(verifies(token('two'), ['one', 'two'])).toBe(true);
    expect(verifies(token('one'), ['one'], Buffer.from(''))).toBe(true);
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['another', 'other'],
    ['shorter', 'on'],
    ['longer', 'one1'],
    ['in other case', 'One'],
    ['sent twice', ['one', 'one']],
    ['joined with itself', 'one, one'],
    ['with a space', 'one '],
  ])('is refused when it is %s', (_what, value) => {
    expect(verifies(token(value), ['one'])).toBe(false);
  });

  it('opens nothing where there is no secret, or an empty one', () => {
    expect(verifies(token('one'), [])).toBe(false);
    expect(signatureCheck(token(''), [''], NOW)).toBeUndefined();
    expect(signatureCheck(token('one'), ['', ''], NOW)).toBeUndefined();
  });

  it('is never a signing token, which would make the signature a thing to leave out', () => {
    expect(signatureCheck(token(ONE), [ONE], NOW)).toBeUndefined();
    expect(verifies(token(ONE), [ONE, 'one'])).toBe(false);
    expect(verifies(token('whsec_not base64'), ['whsec_not base64'])).toBe(false);
  });
});

describe('the signature', () => {
  it('accepts the example of Standard Webhooks', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const at = new Date(1_614_265_330_000);
    const example = Buffer.from('{"test": 2432232314}');
    expect(verifies(headers, ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], example, at)).toBe(true);
  });

  it('accepts any of several under any of the secrets, over a body that comes in pieces', () => {
    expect(verifies(signed(sign(ONE)), [ONE])).toBe(true);
    expect(verifies(signed(sign(ONE)), [TWO, ONE])).toBe(true);
    expect(verifies(signed(`${sign(TWO)} ${sign(ONE)}`), [ONE])).toBe(true);
    expect(verifies(signed(`v1a,abc v2,def ${sign(ONE)}`), [ONE])).toBe(true);
  });

  const good = sign(ONE);
  it.each([
    ['empty', ''],
    ['of another secret', sign(TWO)],
    ['without its version', good.slice(3)],
    ['of another version', good.replace('v1', 'v2')],
    ['one character short', good.slice(0, -2)],
    ['without padding', good.slice(0, -1)],
    ['in hex', `v1,${Buffer.from(good.slice(3), 'base64').toString('hex')}`],
    ['joined by a comma', `${sign(TWO)},${good}`],
    ['sent twice', [good, good]],
    ['behind too many others', `${`${sign(TWO)} `.repeat(10)}${good}`],
  ])('refuses one that is %s', (_what, signature) => {
    expect(verifies(signed(signature), [ONE])).toBe(false);
  });

  it.each<[string, WebhookHeaders]>([
    ['another id', { 'webhook-id': 'x' }],
    ['no id', { 'webhook-id': undefined }],
    ['an id with a line break', { 'webhook-id': `${ID}\n` }],
    ['another time', { 'webhook-timestamp': String(SECONDS + 1) }],
    ['no time', { 'webhook-timestamp': '' }],
    ['a time that is no number', { 'webhook-timestamp': '1e9' }],
  ])('refuses %s', (_what, over) => expect(verifies(signed(good, over), [ONE])).toBe(false));

  it('holds five minutes, before and after', () => {
    const at = (offset: number) => new Date(NOW.getTime() + offset * 1_000);
    for (const offset of [-300, 0, 300]) expect(verifies(signed(good), [ONE], body, at(offset))).toBe(true);
    for (const offset of [-301, 301]) expect(verifies(signed(good), [ONE], body, at(offset))).toBe(false);
  });

  it('is what counts where both are there: a good token makes up for nothing', () => {
    const both = (signature: string) => signed(signature, { 'x-gitlab-token': 'one' });
    expect(verifies(both(good), [ONE])).toBe(true);
    expect(verifies(both(sign(TWO)), [ONE, 'one'])).toBe(false);
    // Where we hold no signing token, the token is all that there is.
    expect(verifies(both(good), ['one'])).toBe(true);
    // While a hook moves from one to the other, it still comes with the token alone.
    expect(verifies({ 'x-gitlab-token': 'one' }, [ONE, 'one'])).toBe(true);
  });

  it('refuses every body that differs in one bit', () => {
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const changed = Buffer.from(body);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifies(signed(good), [ONE], changed)).toBe(false);
    }
  });

  it('has no key in a secret that is empty or no base64', () => {
    for (const secret of ['whsec_', 'whsec_=', 'whsec_a b', ONE.slice(6)])
      expect(signatureCheck(signed(good), [secret], NOW)).toBeUndefined();
  });
});

describe('headers', () => {
  it('take the key that is the same when a delivery is sent again', () => {
    const both = {
      'webhook-id': 'a',
      'idempotency-key': 'b',
      'x-gitlab-event-uuid': 'c',
      'x-gitlab-webhook-uuid': 'd',
    };
    expect(gitlab.deliveryKey(both)).toBe('a');
    expect(gitlab.deliveryKey({ ...both, 'webhook-id': undefined })).toBe('b');
    expect(gitlab.deliveryKey({ ...both, 'webhook-id': 'a b' })).toBe('b');
    // Shared by all events of a chain of requests: a bot's answer would be taken for what it answers.
    expect(gitlab.deliveryKey({ 'x-gitlab-event-uuid': 'c', 'x-gitlab-webhook-uuid': 'd' })).toBeUndefined();
    for (const bad of ['', 'a\n', 'x'.repeat(101), 'ü', ['a', 'b']])
      expect(gitlab.deliveryKey({ 'idempotency-key': bad })).toBeUndefined();
  });

  it('name the event', () => {
    expect(gitlab.eventType({ 'x-gitlab-event': 'Merge Request Hook' })).toBe('Merge Request Hook');
    expect(gitlab.eventType({})).toBe('');
    expect(gitlab.eventType({ 'x-gitlab-event': ['a', 'b'] })).toBe('');
  });

  it('are not kept when they carry a signature or a credential', () => {
    expect(gitlab.storedHeaders).toEqual(expect.arrayContaining(['x-gitlab-event', 'webhook-id']));
    for (const name of gitlab.storedHeaders) expect(name).not.toMatch(/signature|authorization|cookie|token/);
  });
});

describe('parse', () => {
  it('reads JSON', () => {
    expect(gitlab.parse('application/json; charset=utf-8', body)).toEqual({
      payload: { object_kind: 'push', message: 'Füße' },
    });
  });

  it.each([
    ['nothing', ''],
    ['a truncated object', '{"a":'],
    ['a list', '[{}]'],
    ['text of a custom template', 'somebody pushed'],
  ])('says why %s is no payload', (_what, content) => {
    expect(gitlab.parse('application/json', Buffer.from(content))).toEqual({
      invalid: expect.stringMatching(/^The body .+\.$/),
    });
  });
});

describe('the descriptor', () => {
  it('says where an instance is', () => {
    expect([gitlab.id, gitlab.label, gitlab.tag, gitlab.cloudUrl]).toEqual([
      'gitlab',
      'GitLab',
      'gl',
      'https://gitlab.com',
    ]);
    expect(gitlab.endpoint('https://git.example.com/gitlab/')).toMatchObject({
      forge: 'gitlab',
      host: 'git.example.com/gitlab',
      apiUrl: 'https://git.example.com/gitlab/api/v4',
      webUrl: 'https://git.example.com/gitlab',
    });
  });

  it('checks a signature against the time it arrives', () => {
    const timestamp = Math.floor(Date.now() / 1_000);
    const headers = signed(sign(ONE, body, ID, timestamp), { 'webhook-timestamp': String(timestamp) });
    const check = gitlab.signatureCheck(headers, [ONE]);
    check?.update(body);
    expect(check?.valid()).toBe(true);
    expect(gitlab.signatureCheck(signed(sign(ONE)), [ONE])).toBeUndefined();
  });
});

describe('roles', () => {
  it('are GitHub’s words for access levels', () => {
    expect([0, 5, 10, 15, 20, 25, 30, 40, 50, 60].map(permissionOf)).toEqual([
      'none',
      'none',
      'read',
      'triage',
      'triage',
      'triage',
      'write',
      'maintain',
      'admin',
      'admin',
    ]);
    expect(permissionOf(Number.NaN)).toBe('none');
  });

  it('are read from the names in hooks', () => {
    const levels = ['Guest', 'Planner', 'Reporter', 'Developer', 'Maintainer', 'Owner'].map(accessLevelOf);
    expect(levels).toEqual([10, 15, 20, 30, 40, 50]);
    for (const name of [undefined, null, '', 'Auditor', 'constructor']) expect(accessLevelOf(name)).toBe(0);
  });
});
