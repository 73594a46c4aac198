/** Every bit of what is signed counts, and while one secret replaces another nothing that is valid is refused. */
import { describe, expect, it } from '@jest/globals';
import type { WebhookHeaders } from '../../src/forges/forge.js';
import { forges } from '../../src/forges/registry.js';
import { decoySecretsOf } from '../../src/webhook/ingress.js';
import { type Scheme, schemes, signed } from './signature-attacks.js';

const BODY = Buffer.from(JSON.stringify({ action: 'opened', text: 'x'.repeat(2_019) }));

function isValid({ forge }: Scheme, headers: WebhookHeaders, body: Buffer, secrets: readonly string[]): boolean {
  const check = forges.get(forge)?.signatureCheck(headers, secrets);
  // As it streams in: in two pieces.
  check?.update(body.subarray(0, 700));
  check?.update(body.subarray(700));
  return check?.valid() ?? false;
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

describe.each(schemes.map((scheme) => [scheme.name, scheme] as const))('%s', (_name, scheme) => {
  const { header, secret, otherSecret, signsBody } = scheme;

  it('takes no body of which one bit is another', () => {
    const headers = signed(scheme, { body: BODY });
    expect(isValid(scheme, headers, BODY, [secret])).toBe(true);
    let taken = 0;
    for (let bit = 0; bit < BODY.length * 8; bit += 1)
      if (isValid(scheme, headers, flipped(BODY, bit), [secret])) taken += 1;
    expect(BODY.length * 8).toBe(16_384);
    // A token says who sent the body, not that the body is whole.
    expect(taken).toBe(signsBody ? 0 : 16_384);
  });

  it('takes no signature of which one bit is another', () => {
    const headers = signed(scheme, { body: BODY });
    const right = Buffer.from(headers[header] ?? '', 'latin1');
    let taken = 0;
    for (let bit = 0; bit < right.length * 8; bit += 1)
      if (isValid(scheme, { ...headers, [header]: flipped(right, bit).toString('latin1') }, BODY, [secret])) taken += 1;
    expect(right.length * 8).toBeGreaterThan(200);
    expect(taken).toBe(0);
  });

  it('takes both secrets while they overlap, and each alone before and after', () => {
    const count = { refused: 0, takenTooLate: 0 };
    for (let at = 0; at < 10_000; at += 1) {
      const isNew = at % 2 === 0;
      const headers = signed(scheme, { body: BODY, id: `delivery-${at}` }, isNew ? otherSecret : secret);
      const phase = at < 2_500 ? 'before' : at < 7_500 ? 'overlap' : 'after';
      const secrets = { before: [secret], overlap: [otherSecret, secret], after: [otherSecret] }[phase];
      const wanted = phase === 'overlap' || isNew === (phase === 'after');
      const valid = isValid(scheme, headers, BODY, secrets);
      if (wanted && !valid) count.refused += 1;
      if (!wanted && valid) count.takenTooLate += 1;
    }
    expect(count).toEqual({ refused: 0, takenTooLate: 0 });
  });

  it('takes nothing when there is no secret, or only an empty one', () => {
    for (const secrets of [[], [''], ['', '']])
      for (const under of ['', secret])
        expect(isValid(scheme, signed(scheme, { body: BODY }, under), BODY, secrets)).toBe(false);
  });

  it('is checked at a hook that does not exist just as at one that does, and nothing opens it', () => {
    const forge = forges.get(scheme.forge);
    if (forge === undefined) throw new Error(`There is no forge ${scheme.forge}.`);
    const [decoys, others] = [decoySecretsOf(forge), decoySecretsOf(forge)];
    // One of them is of the form by which this way of signing works.
    const opening = decoys.filter((one) => isValid(scheme, signed(scheme, { body: BODY }, one), BODY, decoys));
    expect(opening.length).toBeGreaterThan(0);
    expect(opening.some((one) => isValid(scheme, signed(scheme, { body: BODY }, one), BODY, others))).toBe(false);
  });
});
