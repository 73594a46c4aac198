import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { forgeById } from '../registry.js';
import { github } from './forge.js';

const body = Buffer.from(JSON.stringify({ zen: 'Keep it simple.' }));
const sign = (secret: string, content: Buffer = body) =>
  `sha256=${createHmac('sha256', secret).update(content).digest('hex')}`;

function verifies(signature: string | string[] | undefined, secrets: readonly string[], content = body): boolean {
  const check = github.signatureCheck({ 'x-hub-signature-256': signature }, secrets);
  if (check === undefined) return false;
  for (let at = 0; at < content.length; at += 5) check.update(content.subarray(at, at + 5));
  return check.valid();
}

describe('signatureCheck', () => {
  it('accepts the signature of any of the secrets, over a body that comes in pieces', () => {
    expect(verifies(sign('one'), ['one'])).toBe(true);
    expect(verifies(sign('one'), ['two', 'one'])).toBe(true);
    expect(verifies(sign('two'), ['two', 'one'])).toBe(true);
  });

  it('accepts GitHub’s published example', () => {
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    expect(verifies(signature, ["It's a Secret to Everybody"], Buffer.from('Hello, World!'))).toBe(true);
  });

  const good = sign('one');
  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['of another secret', sign('other')],
    ['without its prefix', good.slice(7)],
    ['SHA-1', good.replace('sha256', 'sha1')],
    ['in upper case', `sha256=${good.slice(7).toUpperCase()}`],
    ['one digit short', good.slice(0, -1)],
    ['one digit long', `${good}0`],
    ['not hex', `sha256=${'g'.repeat(64)}`],
    ['sent twice', [good, good]],
    ['joined with another', `${good}, ${good}`],
    ['with a space before', ` ${good}`],
    ['with a line break after', `${good}\n`],
    ['in full-width digits', `sha256=${'１'.repeat(64)}`],
  ])('refuses one that is %s', (_what, signature) => {
    expect(verifies(signature, ['one'])).toBe(false);
  });

  it('refuses everything when there is no secret, or only empty ones', () => {
    expect(verifies(sign('one'), [])).toBe(false);
    expect(github.signatureCheck({ 'x-hub-signature-256': sign('one') }, ['', ''])).toBeUndefined();
    const ofEmpty = `sha256=${createHmac('sha256', '').update(body).digest('hex')}`;
    expect(verifies(ofEmpty, [''])).toBe(false);
    expect(verifies(ofEmpty, ['', 'one'])).toBe(false);
  });

  it('refuses every body that differs in one bit', () => {
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const changed = Buffer.from(body);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifies(good, ['one'], changed)).toBe(false);
    }
  });
});

describe('headers', () => {
  it('takes a printable delivery id of bounded length', () => {
    const key = (value: string | string[] | undefined) => github.deliveryKey({ 'x-github-delivery': value });
    expect(key('72d3162e-cc78-11e3-81ab-4c9367dc0958')).toBe('72d3162e-cc78-11e3-81ab-4c9367dc0958');
    expect(key('17')).toBe('17');
    for (const bad of [undefined, '', 'a b', 'a\n', 'x'.repeat(101), 'ü', ['a', 'b']]) expect(key(bad)).toBeUndefined();
  });

  it('reads the event name', () => {
    expect(github.eventType({ 'x-github-event': 'push' })).toBe('push');
    expect(github.eventType({})).toBe('');
    expect(github.eventType({ 'x-github-event': ['push', 'ping'] })).toBe('');
  });

  it('keeps no header that carries a signature or a credential', () => {
    expect(github.storedHeaders).toContain('x-github-delivery');
    for (const name of github.storedHeaders) {
      expect(name).toBe(name.toLowerCase());
      expect(name).not.toMatch(/signature|authorization|cookie|token|enterprise/);
    }
  });
});

describe('parse', () => {
  const json = 'application/json; charset=utf-8';
  const form = 'application/x-www-form-urlencoded';

  it('reads JSON, and JSON in a form', () => {
    const payload = { action: 'opened', title: 'Füße & + 100 %' };
    const text = JSON.stringify(payload);
    expect(github.parse(json, Buffer.from(text))).toEqual({ payload });
    const encoded = Buffer.from(new URLSearchParams({ payload: text }).toString());
    expect(github.parse(form, encoded)).toEqual({ payload });
    expect(github.parse(`${form.toUpperCase()}; charset=UTF-8`, encoded)).toEqual({ payload });
  });

  it.each([
    ['nothing', json, ''],
    ['a truncated object', json, '{"a":'],
    ['null', json, 'null'],
    ['a number', json, '1'],
    ['a list', json, '[{}]'],
    ['a byte order mark', json, '\uFEFF{'],
    ['a form without its field', form, 'other=1'],
    ['a form with an empty field', form, 'payload='],
    ['a form with something else than an object', form, 'payload=%5B%5D'],
  ])('says why %s is no payload', (_what, type, text) => {
    expect(github.parse(type, Buffer.from(text))).toEqual({ invalid: expect.stringMatching(/^The (body|form) .+\.$/) });
  });

  it('refuses what is not UTF-8', () => {
    expect(github.parse(json, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toHaveProperty('invalid');
  });

  it('reads 64 levels and refuses 65, a million too, and does not count brackets in strings', () => {
    const nested = (levels: number) => Buffer.from(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`);
    expect(github.parse(json, nested(64))).toHaveProperty('payload');
    expect(github.parse(json, nested(65))).toHaveProperty('invalid');
    expect(github.parse(json, Buffer.from(`{"a":${'['.repeat(1_000_000)}`))).toHaveProperty('invalid');
    const text = `${'{['.repeat(100)}\\"${'{'.repeat(100)}`;
    expect(github.parse(json, Buffer.from(JSON.stringify({ text })))).toEqual({ payload: { text } });
  });

  it.each(['{"__proto__":{"admin":true},"a":1}', '{"\\u005f_proto__":{"admin":true},"a":1}'])(
    'drops a key that would change a prototype: %s',
    (text) => {
      const parsed = github.parse(json, Buffer.from(text));
      expect(parsed).toEqual({ payload: { a: 1 } });
      const copied = Object.assign({}, 'payload' in parsed ? parsed.payload : undefined);
      expect('admin' in copied).toBe(false);
    },
  );
});

it('is in the registry under its id', () => {
  expect(forgeById(github.id)).toBe(github);
  expect(forgeById('sourceforge')).toBeUndefined();
});
