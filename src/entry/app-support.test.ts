import { expect, it } from '@jest/globals';
import { forges } from '../forges/registry.js';
import { eventRows } from './app-support.js';

const all = [...forges.values()];
const given = (event: string) => {
  const [row] = eventRows([event], all);
  return { kinds: [...new Set(Object.values(row?.forges ?? {}))], row };
};

it.each([
  ['nonsense.event', /see https:/],
  ['push.opened', /did you mean push\?/],
  ['issues.open', /did you mean issues\.opened\?/],
  ['pull_request.synchronized', /did you mean pull_request\.synchronize\?/],
  ['pull_requests', /did you mean pull_request\?/],
  ['isues.opened', /did you mean issues\.opened\?/],
  ['constructor', /see https:/],
  // What reads like an action of an event that has none of that name, on a forge that gives the event.
  ['workflow_job.finished', /did you mean workflow_job\./],
])('%s is nobody’s event, and what was meant is said', (event, suggestion) => {
  const { kinds, row } = given(event);
  expect(kinds).toEqual(['unknown']);
  expect(row?.notes).toEqual([expect.stringMatching(suggestion)]);
});

it.each([
  ['issues.opened', ['exact']],
  ['repository_dispatch.whatever', ['exact', 'emulated']],
  ['schedule.repository', ['own']],
])('%s is given', (event, kinds) => {
  expect(given(event).kinds).toEqual(kinds);
});

it('a forge’s own event is given by it alone', () => {
  for (const forge of all) {
    if (forge.nativeEvents === undefined) continue;
    const [row] = eventRows([`${forge.nativeEvents}.emoji`], all);
    for (const other of all) expect(row?.forges[other.label]).toBe(other === forge ? 'exact' : 'none');
  }
  expect(all.some(({ nativeEvents }) => nativeEvents !== undefined)).toBe(true);
});

it('an event that GitHub has not and a forge tells all the same is none of GitHub’s', () => {
  const [row] = eventRows(['membership.edited'], all);
  expect(row?.forges.GitHub).toBe('none');
  expect(row?.forges.GitLab).toBe('emulated');
});
