import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Probot } from 'probot';
import type { Access } from '../../src/accounts/access/access.js';
import type { Permissions } from '../../src/accounts/permissions.js';
import { createApps } from '../../src/handlers/apps.js';
import type { JobQueue } from '../../src/jobs/queue/queue.js';
import type { Store } from '../../src/store/database.js';

const queue: JobQueue = { name: 'none', poke: async () => undefined };
const build = (previews: boolean) =>
  createApps({
    store: {} as Store,
    pokes: { preview: queue, sync: queue, report: queue, run: queue, watch: queue, agent: queue },
    rights: previews ? { access: {} as Access, permissions: {} as Permissions } : undefined,
    previews,
    log: pino({ level: 'silent' }),
  });

describe('createApps', () => {
  it('listens to every event the mirror and previews need, and to none twice in one app', () => {
    const heard = Object.fromEntries(
      build(true).map(({ name, load }) => {
        const events: string[] = [];
        load({ on: (event: string | string[]) => events.push(...[event].flat()) } as unknown as Probot);
        return [name, events];
      }),
    );
    expect(heard).toEqual({
      mirror: [
        'installation',
        'installation_repositories',
        'repository',
        'organization',
        'membership',
        'team',
        'member',
        'create',
        'push',
        'release',
        'pull_request',
        'pull_request_review',
        'issue_comment',
        'pull_request_review_comment',
        'commit_comment',
        'issues',
      ],
      preview: [
        'pull_request.opened',
        'pull_request.reopened',
        'pull_request.synchronize',
        'pull_request.closed',
        'pull_request.labeled',
        'pull_request.unlabeled',
        'pull_request.edited',
        'push',
      ],
      commands: ['issue_comment.created', 'pull_request_review_comment.created', 'pull_request_review.submitted'],
    });
  });

  it('has neither previews nor what commands them when previews are off', () => {
    expect(build(false).map(({ name }) => name)).toEqual(['mirror']);
  });
});
