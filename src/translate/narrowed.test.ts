import { describe, expect, it } from '@jest/globals';
import { refusalOf, repositoryMark, withinNarrowing } from './narrowed.js';

const refused = (permissions: Readonly<Record<string, string>>, method: string, path: string) =>
  refusalOf({ permissions }, method, path)?.status;

describe('a narrowed token', () => {
  it('reads webhooks only where it was given them, of a repository and of an organization each', () => {
    const paths = [
      '/repos/acme/web/hooks',
      '/repos/acme/web/hooks/7/deliveries',
      '/orgs/acme/hooks',
      '/orgs/acme/hooks/7',
    ];
    const states = (permissions: Readonly<Record<string, string>>) =>
      paths.map((path) => refused(permissions, 'GET', path));
    expect(states({ contents: 'write', members: 'read', administration: 'write' })).toEqual([403, 403, 403, 403]);
    expect(states({ repository_hooks: 'read' })).toEqual([undefined, undefined, 403, 403]);
    expect(states({ organization_hooks: 'read' })).toEqual([403, 403, undefined, undefined]);
    expect(refused({ repository_hooks: 'read' }, 'POST', '/repos/acme/web/hooks/7/pings')).toBe(403);
    expect(refused({ repository_hooks: 'write' }, 'POST', '/repos/acme/web/hooks/7/pings')).toBeUndefined();
  });

  it('never reads what waits for the account behind it', () => {
    const all = { metadata: 'read', contents: 'write', issues: 'write', administration: 'write' };
    expect(refused(all, 'GET', '/repos/acme/web/notifications')).toBe(403);
  });

  it('sees in feeds only what happened in its repositories', () => {
    const narrowing = { repositories: new Set([repositoryMark('acme', 'web')]) };
    const event = (name: string) => ({ type: 'PushEvent', repo: { name, url: `https://f.test/api/v3/repos/${name}` } });
    const feed = [event('acme/web'), event('acme/secret')];
    for (const path of ['/orgs/acme/events', '/users/bob/events', '/users/bob/received_events'])
      expect(withinNarrowing(narrowing, path, feed)).toEqual([feed[0]]);
  });
});
