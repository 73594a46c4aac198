import { describe, expect, it } from '@jest/globals';
import { shownPlan } from './shown-plan.js';

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const change = (before: unknown, after: unknown, marks: { before: unknown; after: unknown }) => ({
  actions: ['update'],
  ...{ before, after, before_sensitive: marks.before, after_sensitive: marks.after },
});
const plan = {
  format_version: '1.2',
  variables: { token: { value: 'hush-hush' } },
  prior_state: { values: 'hush-hush' },
  resource_changes: [
    {
      ...{ address: 'x.a', mode: 'managed', type: 'x', name: 'a', provider_name: 'p' },
      change: change(
        {
          open: 'seen',
          closed: 'secret-1',
          same: 'secret-2',
          deep: { list: [{ key: 'secret-3' }, 7] },
          plain: 'a hush-hush b',
        },
        { open: 'seen', closed: 'secret-4', same: 'secret-2', deep: { list: [{ key: 'secret-3' }, 8] }, plain: 'c' },
        {
          before: { closed: true, same: true, deep: { list: true } },
          after: { closed: true, same: true, deep: { list: true } },
        },
      ),
    },
  ],
  output_changes: { o: change('secret-5', null, { before: true, after: false }) },
};
const schemas = {
  format_version: '1.0',
  provider_schemas: {
    p: { resource_schemas: { x: { version: 0 }, other: { version: 0 } }, data_source_schemas: {} },
    unused: { resource_schemas: { y: { version: 0 } } },
  },
};
const hide = (text: string) => text.replaceAll('hush-hush', '(hidden)');

describe('a plan that is shown', () => {
  it('has no value that is sensitive, says what changes, and has the schemas of that alone', () => {
    const text = Buffer.from(shownPlan(bytes(plan), bytes(schemas), hide) ?? '').toString('utf8');
    expect(text).not.toMatch(/secret-|hush/);
    const shown = JSON.parse(text);
    const { before, after } = shown.resource_changes[0].change;
    expect([before.open, before.plain, after.open]).toEqual(['seen', 'a (hidden) b', 'seen']);
    expect(before.closed === after.closed).toBe(false);
    expect(before.same).toBe(after.same);
    expect(before.deep.list[0].key).toBe(after.deep.list[0].key);
    expect(before.deep.list[1] === after.deep.list[1]).toBe(false);
    expect(shown.output_changes.o.after).toBeNull();
    expect(shown.provider_schemas).toEqual({
      p: { resource_schemas: { x: { version: 0 } }, data_source_schemas: {} },
    });
    expect([shown.plan_format_version, shown.provider_format_version]).toEqual(['1.2', '1.0']);
  });

  it('is none where a schema is missing, at which a client would break', () => {
    expect(shownPlan(bytes(plan), bytes({ format_version: '1.0' }), hide)).toBeUndefined();
    expect(shownPlan(bytes({ resource_changes: 1 }), bytes(schemas), hide)).toBeUndefined();
  });

  it('is made of schemas that are far too many to be read whole', () => {
    const filler = Buffer.from(`${JSON.stringify({ version: 1, block: { text: `}]"\\${'é\\"{['.repeat(2_000)}` } })},`);
    const pieces = [
      Buffer.from(
        ' {"format_version" : "1.0", "other": [1, {"a": "]}"}], "provider_schemas": {"p": {"resource_schemas": {',
      ),
    ];
    for (let at = 0; at < 6_000; at += 1) pieces.push(Buffer.from(`"t${at}":`), filler);
    pieces.push(Buffer.from('"x" : {"version": 0, "n": -1.5e3 , "b":true} }, "functions": {} } , "q": null } }\n'));
    const large = Buffer.concat(pieces);
    expect(large.length).toBeGreaterThan(64 * 1024 * 1024);
    const before = process.memoryUsage().heapUsed;
    const shown = JSON.parse(Buffer.from(shownPlan(bytes(plan), large, hide) ?? '').toString('utf8'));
    expect(shown.provider_schemas).toEqual({
      p: { resource_schemas: { x: { version: 0, n: -1_500, b: true } }, data_source_schemas: {} },
    });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
  });

  it.each(['', '[]', '{"a"', '{"a" 1}', '{"a": 1', '{"a": "b\\"}', '{a: 1}', '{"a": 1 "b": 2}'])(
    'is none of what is no JSON: %s',
    (text) => {
      expect(shownPlan(bytes(plan), Buffer.from(text), hide)).toBeUndefined();
    },
  );
});
