import { describe, expect, it } from '@jest/globals';
import { check, type InboxRow, kinds, type Records, sentences, type Verdict } from './checker.js';
import type { Effect } from './effects.js';

const effect = (key: string, more: Partial<Effect> = {}): Effect => ({
  forge: 'gitea',
  at: 0,
  method: 'POST',
  path: '/x',
  status: 201,
  key,
  digest: '',
  answered: true,
  ...more,
});

const row = (id: string, more: Partial<InboxRow> = {}): InboxRow => ({
  forge: 'gitea',
  id,
  source: 'webhook',
  status: 'done',
  reason: '',
  open: [],
  ...more,
});

const [first, second] = ['a'.repeat(40), 'b'.repeat(40)];

/** A run in which all went well. */
const clean: Records = {
  happenings: [
    { forge: 'gitea', token: 'issue-1', once: ['effect:issue-1'], atLeastOnce: [] },
    { forge: 'gitea', token: 'pull-2', once: ['effect:pull-2'], atLeastOnce: [`status:DCO:${first}`] },
  ],
  heads: [{ forge: 'gitea', pull: 'web#2', shas: [first, second], closed: false }],
  mirror: [{ forge: 'gitea', pull: 'web#2', headSha: second, state: 'open' }],
  deliveries: [
    { forge: 'gitea', id: 'd1', event: 'issues', accepted: true },
    { forge: 'gitea', id: 'd2', event: 'pull_request', accepted: true },
  ],
  effects: [
    effect('effect:issue-1'),
    effect('effect:pull-2'),
    effect(`status:DCO:${first}`),
    effect(`status:chaos/head:${first}`),
    effect(`status:chaos/head:${second}`),
    effect(`status:chaos/head:${second}`),
  ],
  writes: [],
  inbox: [row('d1'), row('d2', { status: 'ignored' }), row('own', { source: 'synthesised' })],
};

const counts = (records: Partial<Records>): Partial<Record<keyof Verdict, number>> => {
  const verdict = check({ ...clean, ...records });
  return Object.fromEntries(
    kinds.filter((kind) => verdict[kind].length > 0).map((kind) => [kind, verdict[kind].length]),
  );
};

describe('check', () => {
  it('finds nothing where all went well', () => {
    expect(counts({})).toEqual({});
  });

  it('finds an effect that is not there, or that the forge refused', () => {
    const without = clean.effects.filter(({ key }) => key !== 'effect:issue-1');
    expect(counts({ effects: without })).toEqual({ lost: 1 });
    expect(counts({ effects: [...without, effect('effect:issue-1', { status: 500 })] })).toEqual({ lost: 1 });
    expect(counts({ effects: [...without, effect('effect:issue-1', { forge: 'gitlab' })] })).toEqual({
      lost: 1,
      unexpected: 1,
    });
  });

  it('finds a status that has to be there, however often', () => {
    const key = `status:DCO:${first}`;
    expect(counts({ effects: clean.effects.filter((one) => one.key !== key) })).toEqual({ lost: 1 });
    expect(counts({ effects: [...clean.effects, effect(key)] })).toEqual({});
  });

  it('finds an accepted delivery without a row, and one that was never accepted', () => {
    expect(counts({ inbox: clean.inbox.slice(1) })).toEqual({ lost: 1 });
    const deliveries = clean.deliveries.map((one) => ({ ...one, accepted: one.id !== 'd2' }));
    expect(counts({ deliveries })).toEqual({ lost: 1 });
  });

  it('finds a mirror that stayed behind', () => {
    const [row] = clean.mirror;
    if (row === undefined) throw new Error('There is a row.');
    for (const mirror of [[], [{ ...row, headSha: first }], [{ ...row, state: 'closed' }]])
      expect(counts({ mirror })).toEqual({ lost: 1 });
  });

  it('finds what was done twice, also where its answer was lost, and comments of any app', () => {
    expect(counts({ effects: [...clean.effects, effect('effect:issue-1', { answered: false })] })).toEqual({
      duplicated: 1,
    });
    const comment = effect('comment:/repos/acme/web/issues/1/comments:0123456789ab');
    expect(counts({ effects: [...clean.effects, comment] })).toEqual({});
    expect(counts({ effects: [...clean.effects, comment, comment] })).toEqual({ duplicated: 1 });
    expect(counts({ effects: [...clean.effects, effect('effect:issue-1', { status: 422 })] })).toEqual({});
  });

  it('says when each was done and which write it may have been', () => {
    const write = {
      ...{ forge: 'gitea', route: 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments', status: 'answered' },
      ...{ sends: 1, firstAt: 900, lastAt: 1_100, app: 'witness', event: 'issues.opened', attempts: 2 },
      ...{ source: 'webhook', delivery: 'd1' },
    };
    const done = (at: number) => effect('effect:issue-1', { at, path: '/api/v1/repos/acme/web/issues/1/comments' });
    const effects = [...clean.effects.slice(1), done(1_000), done(60_000)];
    const writes = [write, { ...write, forge: 'gitlab' }, { ...write, route: 'POST /repos/{owner}/{repo}/labels' }];
    expect(check({ ...clean, effects, writes }).duplicated).toEqual([
      'gitea effect:issue-1, 2 times: at 1970-01-01T00:00:01.000Z by witness at issues.opened of webhook d1' +
        ' (answered, sent 1 times in 2 attempts); at 1970-01-01T00:01:00.000Z by nobody known',
    ]);
  });

  it('finds an effect that nobody asked for, and a row that nobody sent', () => {
    expect(counts({ effects: [...clean.effects, effect('effect:issue-9')] })).toEqual({ unexpected: 1 });
    expect(counts({ inbox: [...clean.inbox, row('forged')] })).toEqual({ unexpected: 1 });
  });

  it('finds an older head after a newer one', () => {
    expect(counts({ effects: [...clean.effects, effect(`status:chaos/head:${first}`)] })).toEqual({ disorder: 1 });
  });

  it('finds rows that were left lying, and those that were given up', () => {
    expect(counts({ inbox: [row('d1', { status: 'assigned' }), row('d2')] })).toEqual({ zombie: 1 });
    const open = [{ app: 'welcome', status: 'parked', error: '' }];
    expect(counts({ inbox: [row('d1', { open }), row('d2')] })).toEqual({ zombie: 1 });
    const dead = [{ app: 'welcome', status: 'dead', error: 'it failed 8 times' }];
    expect(counts({ inbox: [row('d1', { status: 'dead', open: dead }), row('d2')] })).toEqual({ dead: 1 });
  });

  it('says what it found, the first of each kind', () => {
    expect(sentences(check(clean), 1)).toEqual([]);
    const verdict = check({ ...clean, inbox: [row('forged')], mirror: [] });
    expect(verdict.lost).toHaveLength(3);
    expect(sentences(verdict, 2)).toEqual([
      `lost: ${verdict.lost[0]}`,
      `lost: ${verdict.lost[1]}`,
      'lost: 1 more',
      'unexpected: gitea delivery forged, which nobody sent',
    ]);
  });
});
