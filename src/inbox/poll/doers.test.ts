import { describe, expect, it } from '@jest/globals';
import type { Finding } from './difference.js';
import { isUnsigned, signed } from './doers.js';

const at = (minute: number) => `2026-03-01T10:${String(minute).padStart(2, '0')}:00Z`;
const SINCE = new Date(at(30));
const person = (login: string) => ({ id: login.length, login });
const finding = (action: string, fields: Finding['fields'] = {}, more: Partial<Finding> = {}): Finding => ({
  ...{ name: 'issues', action, fields, sender: undefined, piece: 'any', version: at(40), detail: '' },
  ...more,
});
const event = (name: string, login: string, minute: number, more: object = {}) => ({
  ...{ event: name, actor: person(login), created_at: at(minute) },
  ...more,
});
const doerOf = (one: Finding, ...happened: ReturnType<typeof event>[]) =>
  (signed([one], happened, SINCE)[0]?.sender as { login?: string } | undefined)?.login;

describe('who did what polling found', () => {
  const bug = { label: { id: 1, name: 'bug' } };

  it('is the newest who did just that', () => {
    const happened = [
      event('labeled', 'alice', 31, { label: { name: 'bug' } }),
      event('labeled', 'carol', 35, { label: { name: 'bug' } }),
      event('labeled', 'dave', 36, { label: { name: 'later' } }),
      event('unlabeled', 'erin', 37, { label: { name: 'bug' } }),
    ];
    expect(doerOf(finding('labeled', bug), ...happened)).toBe('carol');
    expect(doerOf(finding('unlabeled', bug), ...happened)).toBe('erin');
  });

  it('is nobody who did it before it was last looked at, and no account that is gone', () => {
    expect(doerOf(finding('reopened'), event('reopened', 'alice', 20))).toBeUndefined();
    expect(doerOf(finding('reopened'), event('reopened', 'ghost', 35))).toBeUndefined();
    expect(doerOf(finding('reopened'), event('reopened', 'alice', 35))).toBe('alice');
  });

  it('is known of people, milestones, titles, bases and what is closed', () => {
    const bob = { assignee: person('bob') };
    expect(doerOf(finding('assigned', bob), event('assigned', 'alice', 35, bob))).toBe('alice');
    expect(
      doerOf(finding('assigned', bob), event('assigned', 'alice', 35, { assignee: person('eve') })),
    ).toBeUndefined();
    const milestone = { milestone: { title: 'v1' } };
    expect(doerOf(finding('milestoned', milestone), event('milestoned', 'alice', 35, milestone))).toBe('alice');
    const team = { requested_team: { slug: 'core' } };
    expect(doerOf(finding('review_requested', team), event('review_requested', 'alice', 35, team))).toBe('alice');
    const renamed = event('renamed', 'alice', 35);
    expect(doerOf(finding('edited', { changes: { title: { from: 'a' } } }), renamed)).toBe('alice');
    // Whoever wrote the text may be another.
    expect(
      doerOf(finding('edited', { changes: { title: { from: 'a' }, body: { from: 'b' } } }), renamed),
    ).toBeUndefined();
    expect(doerOf(finding('closed'), event('merged', 'alice', 35))).toBe('alice');
  });

  it('is asked only of what no object says and some forge keeps', () => {
    expect(isUnsigned(finding('labeled', bug))).toBe(true);
    expect(isUnsigned(finding('closed', {}, { sender: person('alice') }))).toBe(false);
    expect(isUnsigned(finding('synchronize', {}, { name: 'pull_request' }))).toBe(false);
    expect(isUnsigned(finding('dismissed', {}, { name: 'pull_request_review' }))).toBe(false);
  });
});
