import { describe, expect, it } from '@jest/globals';
import { began, hasBegun, headOf, pushed, type RefHistory, untoldBeginning } from './refs.js';

const NONE = '0'.repeat(40);
const headAfter = (...pushes: readonly (readonly [before: string, after: string])[]) =>
  headOf(pushes.reduce<RefHistory | undefined>((history, [from, to]) => pushed(history, from, to), undefined));

describe('where a branch is told to point', () => {
  it('follows pushes in order, also back to where it was, to nothing and from there', () => {
    expect(headAfter([NONE, 'a'], ['a', 'b'])).toBe('b');
    expect(headAfter([NONE, 'a'], ['a', 'b'], ['b', 'a'])).toBe('a');
    expect(headAfter([NONE, 'a'], ['a', NONE])).toBeUndefined();
    expect(headAfter([NONE, 'a'], ['a', NONE], [NONE, 'a'])).toBe('a');
  });

  it('is not moved by a push that comes after the one that followed it', () => {
    expect(headAfter(['a', 'b'], ['b', 'c'], ['a', 'b'])).toBe('c');
    expect(headAfter(['a', 'b'], [NONE, 'a'])).toBe('b');
    expect(headAfter(['b', 'c'], ['a', 'b'])).toBe('c');
    expect(headAfter(['b', 'c'], ['c', 'd'], [NONE, 'a'], ['a', 'b'])).toBe('d');
  });

  it('is told to have begun by two webhooks, in any order and one without the other', () => {
    const first = pushed(undefined, NONE, 'a');
    expect(untoldBeginning(first)).toBe('a');
    expect(untoldBeginning(pushed(first, 'a', 'b'))).toBe('a');
    expect(untoldBeginning(began(first))).toBeUndefined();
    expect(headOf(began(first))).toBe('a');
    const begun = began(undefined);
    expect([hasBegun(begun), headOf(begun)]).toEqual([true, undefined]);
    const both = pushed(begun, NONE, 'a');
    expect([hasBegun(both), untoldBeginning(both), headOf(both)]).toEqual([false, undefined, 'a']);
    // The first push of it that apps are told of is not its first one.
    expect(untoldBeginning(pushed(undefined, 'a', 'b'))).toBe('a');
    expect(untoldBeginning(pushed(begun, 'a', 'b'))).toBeUndefined();
  });

  it('is gone from wherever it was when a forge does not say from where', () => {
    expect(headAfter([NONE, 'a'], ['a', 'b'], [NONE, NONE])).toBeUndefined();
    expect(headAfter([NONE, 'a'], [NONE, NONE], [NONE, NONE], [NONE, 'c'])).toBe('c');
  });

  it('begins anew once it is gone', () => {
    const gone = pushed(pushed(pushed(undefined, NONE, 'a'), 'a', 'b'), 'b', NONE);
    expect([hasBegun(gone), untoldBeginning(gone)]).toEqual([false, undefined]);
    expect(untoldBeginning(pushed(gone, NONE, 'c'))).toBe('c');
    expect(untoldBeginning(pushed(began(gone), NONE, 'c'))).toBeUndefined();
  });

  it('forgets what lies far back, and never takes that for a beginning nobody was told of', () => {
    const shas = [...'abcdefghijk'];
    const history = shas
      .slice(1)
      .reduce((h, sha, at) => pushed(h, shas[at] ?? '', sha), pushed(began(undefined), NONE, 'a'));
    expect([headOf(history), untoldBeginning(history), history.length]).toEqual(['k', undefined, 8]);
  });
});
