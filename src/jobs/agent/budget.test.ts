import { describe, expect, it } from '@jest/globals';
import { stopOfBudget } from './budget.js';
import type { SessionRecord } from './session-record.js';

const NOW = new Date('2026-01-02T03:04:05Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1_000);

const stopOf = (used: Partial<SessionRecord>) =>
  stopOfBudget(
    {
      ...{ limitSeconds: 600, limitTokens: 1_000n, limitCostMicros: 5_000_000n },
      ...{ workedSeconds: 0, workingSince: null, tokens: 0n, costMicros: 0n, ...used },
    } as SessionRecord,
    NOW,
  );

describe('what a session may use', () => {
  it('is time at work: what it has worked before, and since it works now', () => {
    expect(stopOf({ workedSeconds: 500, workingSince: ago(99) })).toBeUndefined();
    expect(stopOf({ workedSeconds: 500, workingSince: ago(100) })).toMatchObject({ why: 'timeout' });
    expect(stopOf({ workedSeconds: 600 })).toMatchObject({ why: 'timeout', detail: 'It may work for 600 s.' });
    // What it waits for a person does not count.
    expect(stopOf({ workedSeconds: 599 })).toBeUndefined();
  });

  it('is tokens, and money', () => {
    expect(stopOf({ tokens: 999n, costMicros: 4_999_999n })).toBeUndefined();
    expect(stopOf({ tokens: 1_000n })).toMatchObject({ why: 'budget', detail: 'It may use 1000 tokens.' });
    expect(stopOf({ costMicros: 5_000_000n })).toMatchObject({ why: 'budget', detail: 'It may use $5.00.' });
    expect(stopOf({ tokens: 9_000_000_000_000_000n, limitTokens: null })).toBeUndefined();
    expect(stopOf({ costMicros: 9_000_000_000_000_000n, limitCostMicros: null })).toBeUndefined();
  });
});
