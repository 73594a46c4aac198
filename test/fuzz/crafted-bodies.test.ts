import { describe, expect, it } from '@jest/globals';
import { forges } from '../../src/forges/registry.js';
import { crafted } from './crafted-bodies.js';

const FORM = 'application/x-www-form-urlencoded';
const asForm = (body: Buffer) => Buffer.from(new URLSearchParams({ payload: body.toString('utf8') }).toString());
/** A form can only carry text. */
const isText = (body: Buffer): boolean => Buffer.from(body.toString('utf8')).equals(body);

describe.each([...forges.values()].map((forge) => [forge.id, forge] as const))('%s', (_id, forge) => {
  it.each(crafted.map((one) => [one.name, one] as const))(
    '%s is read right or not at all',
    (_name, { body, reads }) => {
      const ways = [forge.parse('application/json', body), forge.parse('Application/JSON; charset=utf-8', body)];
      if (forge.contentTypes.includes(FORM) && isText(body)) ways.push(forge.parse(FORM, asForm(body)));
      for (const parsed of ways) {
        if (reads === undefined) expect(parsed).toEqual({ invalid: expect.stringMatching(/\S/) });
        else if ('invalid' in parsed) throw new Error(parsed.invalid);
        else for (const [key, value] of Object.entries(reads)) expect(parsed.payload[key]).toEqual(value);
      }
      expect({}).not.toHaveProperty('polluted');
    },
  );

  it('takes its payload from the one field of a form that holds it, where it takes forms', () => {
    if (!forge.contentTypes.includes(FORM)) return;
    for (const form of ['', 'payload', 'payload=', '=', 'other={"id":1}', '%', '&&&', 'payload=%ZZ', '{"id":1}'])
      expect(forge.parse(FORM, Buffer.from(form))).toEqual({ invalid: expect.stringMatching(/\S/) });
  });
});

it('are sixty at least', () => expect(crafted.length).toBeGreaterThanOrEqual(60));
