import { describe, expect, it } from '@jest/globals';
import { tieOf, watermark } from './mirror-event.js';

describe('watermark', () => {
  it('is the beginning that the forge told, in whole seconds as forges count', () => {
    const since = new Date('2026-01-01T00:00:00.900Z');
    expect(watermark(new Date('2026-02-01T00:00:00Z'), since)).toEqual(new Date('2026-01-01T00:00:00Z'));
  });

  it('otherwise lies an hour before the delivery, so that the first event of a repository is not history', () => {
    expect(watermark(new Date('2026-02-01T01:00:00.500Z'))).toEqual(new Date('2026-02-01T00:00:00Z'));
    expect(watermark(new Date('2026-02-01T01:00:00Z'), null)).toEqual(new Date('2026-02-01T00:00:00Z'));
  });
});

describe('tieOf', () => {
  it('knows which actions come first, which come last, and which cannot reopen', () => {
    expect(['opened', 'created', 'submitted'].map(tieOf)).toEqual(['loses', 'loses', 'loses']);
    expect(['closed', 'reopened'].map(tieOf)).toEqual(['wins', 'wins']);
    expect(['synchronize', 'labeled', 'edited'].map(tieOf)).toEqual(['keeps-closed', 'keeps-closed', 'keeps-closed']);
  });
});
