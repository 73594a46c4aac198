/** What a hook is taken for: a test, an issue, the doing of a bot, a failure. */
import { describe, expect, it } from '@jest/globals';
import {
  actions,
  attributesOf,
  base,
  native,
  only,
  translated,
  withAttributes,
} from '../../../test/support/gitlab-hooks.js';
import { createMemoryRecords } from '../../../test/support/route-rig.js';
import type { JsonObject, TranslatePorts } from '../forge.js';

describe('test deliveries', () => {
  const { payload } = native('push');
  const commits = payload.commits as JsonObject[];

  it.each([
    ['of several commits', { before: commits[0]?.id }],
    ['of the only commit there is', { before: commits.at(-1)?.id, commits: commits.slice(-1) }],
  ])('%s wake no app: nothing was pushed', (_what, sample) => {
    expect(actions({ eventType: 'Push Hook', payload: { ...payload, ...sample } })).toMatch(/test delivery/);
  });

  it('of a system hook wake none either', () => {
    const sample = { event_name: 'project_create', name: 'Ruby', path: 'ruby', project_id: 1, owner_name: 'Someone' };
    expect(actions({ eventType: 'System Hook', payload: sample })).toMatch(/path_with_namespace/);
  });
});

describe('accounts of GitLab Duo', () => {
  it.each(['GitLabDuo', 'duo-developer', 'duo-code-review-acme'])('%s is a bot', async (username) => {
    const { payload } = native('push');
    const { sender } = await only({ eventType: 'Push Hook', payload: { ...payload, user_username: username } });
    expect(sender).toMatchObject({ type: 'Bot' });
  });

  it.each(['gitlabduoist', 'duo-developers'])('%s is none', async (username) => {
    const { payload } = native('push');
    const { sender } = await only({ eventType: 'Push Hook', payload: { ...payload, user_username: username } });
    expect(sender).toMatchObject({ type: 'User' });
  });
});

describe('jobs that failed', () => {
  it('are no success where the pipeline passes them by', async () => {
    const { payload, ...rest } = native('build.failed');
    const { events = [] } = await translated({ ...rest, payload: { ...payload, build_allow_failure: true } });
    const of = (name: string) => events.find((event) => event.name === name)?.payload;
    expect(of('workflow_job')).toMatchObject({ workflow_job: { status: 'completed', conclusion: 'failure' } });
    expect(of('check_run')).toMatchObject({ check_run: { conclusion: 'neutral' } });
  });
});

describe('comments on several lines', () => {
  const hook = native('note.diff');
  const ranged = (start: JsonObject) =>
    withAttributes(hook, { position: { ...(attributesOf(hook).position as JsonObject), line_range: { start } } });

  it.each([
    ['numbers', { line_code: 'd1_4_5', type: 'new', old_line: null, new_line: 5 }, [5, 'RIGHT']],
    ['a code alone, as others write it by the API', { line_code: 'd1_4_5', type: 'new' }, [5, 'RIGHT']],
    ['a line that went', { line_code: 'd1_4_5', type: 'old' }, [4, 'LEFT']],
    ['the only line, as GitLab’s own page does', { line_code: 'd1_6_7', type: 'new', new_line: 7 }, [null, null]],
    ['a code that is none', { line_code: 'x', type: 'new' }, [null, null]],
  ])('begin where the range says: %s', async (_what, start, [line, side]) => {
    const { comment } = await only(ranged(start));
    expect(comment).toMatchObject({ start_line: line, start_side: side, line: 7, side: 'RIGHT' });
  });
});

describe('work items', () => {
  it('knows the type of a work item however it is written', () => {
    const hook = native('issue.open');
    const typed = (type: string) => withAttributes(hook, { type });
    expect(actions(typed('issue'))).toEqual(['issues.opened']);
    expect(actions(typed('INCIDENT'))).toEqual(['issues.opened']);
    expect(actions(typed('task'))).toEqual([expect.stringMatching(/^gitlab\./)]);
  });
});

describe('the owner of a repository', () => {
  it('is asked once for each repository where somebody else pushes', async () => {
    const asked: string[] = [];
    const ports: TranslatePorts = {
      base,
      wanted: new Set(),
      records: createMemoryRecords({ now: () => new Date('2026-03-02T10:00:00Z') }),
      github: async (route) => {
        asked.push(route);
        return { owner: { id: 12, login: 'acme~shop', type: 'User' } };
      },
    };
    for (const _ of [1, 2]) {
      const payload = await only(native('push'), ports);
      expect(payload).toMatchObject({ repository: { owner: { id: 12, login: 'acme~shop', type: 'User' } } });
      expect(payload).not.toHaveProperty('organization');
    }
    expect(asked).toEqual(['GET /repos/{owner}/{repo}']);
  });
});
