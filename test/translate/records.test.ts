import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLoopTraces } from '../../src/translate/loop-traces.js';
import { createRecords } from '../../src/translate/records.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const state = {} as { database: TestDatabase; other: string };

beforeAll(async () => {
  const database = await createTestDatabase();
  const other = randomUUID();
  await database
    .store('worker')
    .tenant(other, (tx) =>
      tx.query(`INSERT INTO organization (id, slug, name) VALUES ($1, 'other', 'Other')`, [other]),
    );
  Object.assign(state, { database, other });
});
afterAll(() => state.database.drop());

const recordsOf = (over: { organizationId?: string; forge?: string; host?: string } = {}) =>
  createRecords(state.database.store('worker'), {
    organizationId: state.database.organizationId,
    forge: 'one',
    host: 'one.test',
    ...over,
  });

describe('records', () => {
  it('are kept by kind and key, and found by the number that stays', async () => {
    const records = recordsOf();
    const made = await records.put('check', '7/abc', { name: 'ci' });
    expect(made).toMatchObject({ kind: 'check', key: '7/abc', data: { name: 'ci' }, createdAt: expect.any(Date) });
    expect(Number.isSafeInteger(made.id)).toBe(true);
    const again = await records.put('check', '7/abc', { name: 'ci', done: true });
    expect(again).toMatchObject({ id: made.id, data: { name: 'ci', done: true }, createdAt: made.createdAt });
    expect(await records.get('check', '7/abc')).toEqual(again);
    expect(await records.byId('check', made.id)).toEqual(again);
    expect(await records.byId('draft', made.id)).toBeUndefined();
    expect(await records.get('draft', '7/abc')).toBeUndefined();
    expect(await records.get('check', '7/ab')).toBeUndefined();
  });

  it('are added where there is none: of many at the same moment one is', async () => {
    const records = recordsOf();
    const all = await Promise.all([1, 2, 3, 4].map((by) => records.add('name', 'x', { by })));
    const first = all.filter(({ added }) => added);
    expect(first).toHaveLength(1);
    for (const { record } of all) expect(record).toEqual(first[0]?.record);
    expect((await recordsOf({ host: 'two.test' }).add('name', 'x', {})).added).toBe(true);
  });

  it('are listed by the beginning of their key, oldest first', async () => {
    const records = recordsOf();
    await records.putAll('list', [
      { key: '7/b', data: { at: 1 } },
      { key: '7/a', data: { at: 2 } },
      { key: '70/a', data: { at: 3 } },
      { key: '8/a', data: { at: 4 } },
      { key: '7/ü😀', data: { at: 5 } },
      { key: '7/%_', data: { at: 6 } },
    ]);
    const keys = (prefix: string) => records.list('list', prefix).then((list) => list.map(({ key }) => key));
    expect((await keys('7/')).sort()).toEqual(['7/%_', '7/a', '7/b', '7/ü😀']);
    expect(await keys('7/%')).toEqual(['7/%_']);
    expect((await keys('')).length).toBe(6);
    const ids = (await records.list('list', '7/')).map(({ id }) => id);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
  });

  it('put together hold the last of each key; none is none', async () => {
    const records = recordsOf();
    await records.putAll('many', []);
    await records.putAll('many', [
      { key: 'a', data: { at: 1 } },
      { key: 'a', data: { at: 2 } },
    ]);
    expect(await records.list('many', '')).toMatchObject([{ data: { at: 2 } }]);
  });

  it('are listed up to a thousand', async () => {
    const records = recordsOf();
    await records.putAll(
      'full',
      Array.from({ length: 1_010 }, (_, at) => ({ key: `k${at}`, data: {} })),
    );
    expect(await records.list('full', 'k')).toHaveLength(1_000);
  });

  it('that were deleted are gone', async () => {
    const records = recordsOf();
    const { id } = await records.put('gone', 'a', {});
    await records.delete('gone', 'a');
    await records.delete('gone', 'never there');
    expect(await records.get('gone', 'a')).toBeUndefined();
    expect(await records.byId('gone', id)).toBeUndefined();
    const anew = await records.put('gone', 'a', {});
    expect(anew.id).not.toBe(id);
  });

  it.each([
    ['organization', () => ({ organizationId: state.other })],
    ['forge', () => ({ forge: 'two' })],
    ['host', () => ({ host: 'two.test' })],
  ])('of another %s are other records', async (_what, over) => {
    const mine = await recordsOf().put('apart', 'a', { mine: true });
    const others = recordsOf(over());
    expect(await others.get('apart', 'a')).toBeUndefined();
    expect(await others.byId('apart', mine.id)).toBeUndefined();
    expect(await others.list('apart', '')).toEqual([]);
    const theirs = await others.put('apart', 'a', { theirs: true });
    expect(theirs.id).not.toBe(mine.id);
    await others.delete('apart', 'a');
    expect(await recordsOf().get('apart', 'a')).toMatchObject({ data: { mine: true } });
  });

  it('made at once under one key are one record', async () => {
    const made = await Promise.all(Array.from({ length: 4 }, (_, at) => recordsOf().put('race', 'a', { at })));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  });
});

describe('traces of our own writes', () => {
  const place = () => ({ organizationId: state.database.organizationId, forge: 'one', host: 'one.test' });
  const traces = () => createLoopTraces(state.database.store('worker'));

  it('tell which app caused an event, the longest chain first', async () => {
    await traces().note(place(), ['x comment 1', 'x comment 1', 'x push a'], { app: 'greeter', depth: 1 });
    await traces().note(place(), ['x push b'], { app: 'labeler', depth: 2 });
    expect(await traces().causeOf(place(), ['x comment 1'])).toEqual({ app: 'greeter', depth: 1 });
    expect(await traces().causeOf(place(), ['x comment 1', 'x push b', 'y'])).toEqual({ app: 'labeler', depth: 2 });
    expect(await traces().causeOf(place(), ['x comment 2'])).toBeUndefined();
    expect(await traces().causeOf(place(), [])).toBeUndefined();
  });

  it('of a write that is repeated keep the greater depth', async () => {
    await traces().note(place(), ['x edit 1'], { app: 'greeter', depth: 3 });
    await traces().note(place(), ['x edit 1'], { app: 'labeler', depth: 1 });
    expect(await traces().causeOf(place(), ['x edit 1'])).toEqual({ app: 'labeler', depth: 3 });
  });

  it('are of one organization, forge and host', async () => {
    await traces().note(place(), ['x edit 2'], { app: 'greeter', depth: 1 });
    for (const over of [{ organizationId: state.other }, { forge: 'two' }, { host: 'two.test' }])
      expect(await traces().causeOf({ ...place(), ...over }, ['x edit 2'])).toBeUndefined();
  });

  it('asked for at once are answered each by itself, whatever another one asks', async () => {
    const own = traces();
    const other = { ...place(), organizationId: state.other };
    await own.note(place(), ['x label 1 a', 'x label 1 b\u0000'], { app: 'greeter', depth: 1 });
    await own.note(other, ['x label 1 a'], { app: 'labeler', depth: 2 });
    const asked = [['x label 1 a'], ['x label 1 c'], ['y \u0000'], ['x label 1 b\u0000', 'x label 1 c']];
    expect(
      await Promise.all([...asked.map((one) => own.causeOf(place(), one)), own.causeOf(other, ['x label 1 a'])]),
    ).toEqual([
      { app: 'greeter', depth: 1 },
      undefined,
      undefined,
      { app: 'greeter', depth: 1 },
      { app: 'labeler', depth: 2 },
    ]);
  });

  it('are forgotten after an hour', async () => {
    await traces().note(place(), ['x edit 3'], { app: 'greeter', depth: 1 });
    await state.database
      .store('worker')
      .tenant(state.database.organizationId, (tx) =>
        tx.query(`UPDATE own_write SET created_at = now() - interval '61 minutes' WHERE trace = 'x edit 3'`),
      );
    expect(await traces().causeOf(place(), ['x edit 3'])).toBeUndefined();
  });
});
