import { describe, expect, it } from '@jest/globals';
import { digestOf, effectKey } from './effects.js';

const sha = 'c'.repeat(40);
const key = (method: string, path: string, body: object) => effectKey(method, path, JSON.stringify(body));

describe('effectKey', () => {
  it('is the token, wherever a forge puts it', () => {
    const body = 'effect:issue-1 (seen)';
    for (const path of ['/api/v3/repos/a/b/issues/1/comments', '/api/v4/projects/1/issues/1/notes'])
      expect(key('POST', path, { body })).toBe('effect:issue-1');
    expect(key('POST', '/api/v1/repos/a/b/labels', { name: 'effect:push-2' })).toBe('effect:push-2');
    expect(key('POST', '/x/notes', { body: 'effect:welcome.issue.alpha.@bob hi' })).toBe(
      'effect:welcome.issue.alpha.@bob',
    );
  });

  it('is the same for a status on every forge, and for a check', () => {
    const expected = `status:DCO:${sha}`;
    expect(key('POST', `/api/v1/repos/a/b/statuses/${sha}`, { context: 'DCO' })).toBe(expected);
    expect(key('POST', `/api/v4/projects/1/statuses/${sha}`, { name: 'DCO' })).toBe(expected);
    expect(key('POST', '/api/v3/repos/a/b/check-runs', { name: 'DCO', head_sha: sha })).toBe(expected);
  });

  it('tells texts apart that name no token', () => {
    const path = '/api/v1/repos/a/b/issues/1/comments';
    expect(key('POST', path, { body: 'hello' })).toBe(`comment:${path}:${digestOf('hello')}`);
    expect(key('POST', path, { body: 'hello' })).not.toBe(key('POST', path, { body: 'hullo' }));
    expect(effectKey('POST', '/a/b.git/git-receive-pack', 'no json')).toMatch(/^POST \/a\/b\.git/);
  });
});
