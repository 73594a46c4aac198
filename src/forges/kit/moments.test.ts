import { expect, it } from '@jest/globals';
import { momentOf, toUtc, withUtcTimes } from './moments.js';

it.each([
  ['2026-02-01', '2026-02-01T00:00:00Z'],
  ['2026-02-01T10:11:12', '2026-02-01T10:11:12Z'],
  ['2026-02-01T10:11', '2026-02-01T10:11:00Z'],
  ['2026-02-01 10:11:12', '2026-02-01T10:11:12Z'],
  ['2026-02-01T10:11:12Z', '2026-02-01T10:11:12Z'],
  ['2026-02-01T10:11:12.500Z', '2026-02-01T10:11:12.500Z'],
  ['2026-02-01T10:11:12+02:00', '2026-02-01T08:11:12Z'],
  ['2026-02-01T10:11:12-0130', '2026-02-01T11:41:12Z'],
])('%s is %s, wherever it is read', (text, utc) => {
  expect(toUtc(momentOf(text) ?? Number.NaN)).toBe(utc);
});

it.each(['', 'yesterday', '2026', '2026-13-01', '2026-02-01Z', '2026-02-01T25:00:00', '1f3a9c0', '1764201600'])(
  '"%s" is no time',
  (text) => {
    expect(momentOf(text)).toBeUndefined();
    expect(withUtcTimes({ since: text })).toEqual({ since: text });
  },
);

it('reads the times of a list, and nothing else', () => {
  const query = { since: '2026-02-01', until: '2026-02-01T10:00:00', before: 'a cursor', q: '2026-02-01' };
  expect(withUtcTimes(query)).toEqual({
    ...query,
    since: '2026-02-01T00:00:00Z',
    until: '2026-02-01T10:00:00Z',
  });
});
