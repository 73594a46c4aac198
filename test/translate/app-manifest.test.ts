import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { parse } from 'yaml';

const text = readFileSync(new URL('../../app.yml', import.meta.url), 'utf8');
const manifest = parse(text) as { default_permissions: Record<string, string>; default_events: string[] };

/** What the mirror, the previews and their tests rely on; installation events always arrive. */
const NEEDED = [
  'push',
  'create',
  'delete',
  'pull_request',
  'pull_request_review',
  'pull_request_review_comment',
  'pull_request_review_thread',
  'issue_comment',
  'issues',
  'commit_comment',
  'repository',
  'member',
  'membership',
  'organization',
  'team',
  'status',
  'check_run',
  'check_suite',
];

/** The permission without which GitHub refuses a subscription; metadata comes with every App. */
const PERMISSION_FOR: Readonly<Record<string, readonly string[]>> = {
  push: ['contents'],
  create: ['contents'],
  delete: ['contents'],
  pull_request: ['pull_requests'],
  pull_request_review: ['pull_requests'],
  pull_request_review_comment: ['pull_requests'],
  pull_request_review_thread: ['pull_requests'],
  issue_comment: ['issues', 'pull_requests'],
  issues: ['issues'],
  commit_comment: ['contents'],
  repository: ['metadata'],
  member: ['metadata', 'members'],
  membership: ['members'],
  organization: ['members'],
  team: ['members'],
  status: ['statuses'],
  check_run: ['checks'],
  check_suite: ['checks'],
};

it('asks for the events that are needed and for no others', () => {
  expect([...manifest.default_events].sort()).toEqual([...NEEDED].sort());
});

it('asks for the permissions that those events need', () => {
  for (const event of manifest.default_events)
    for (const permission of PERMISSION_FOR[event] ?? ['unknown event'])
      expect([event, manifest.default_permissions[permission]]).toEqual([
        event,
        expect.stringMatching(/^(read|write)$/),
      ]);
});

it('writes only where Forgeway writes: comments, commit statuses, and branches of agents', () => {
  const written = Object.entries(manifest.default_permissions).filter(([, level]) => level === 'write');
  expect(written.map(([name]) => name).sort()).toEqual(['contents', 'issues', 'pull_requests', 'statuses']);
});

it('says for each permission and event what it is for', () => {
  const lines = text.split('\n');
  for (const [at, line] of lines.entries())
    if (/^ {2}[a-z_]+: (read|write)$/.test(line))
      expect([line, lines[at - 1]]).toEqual([line, expect.stringMatching(/^ {2}# ./)]);
});
