import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { pullRequestInput } from './pull-request.js';

interface Side {
  repo: { id: number };
  repo_id: number;
}

const opened = () => {
  const text = readFileSync(new URL('../fixtures/pull_request.closed.merged.json', import.meta.url), 'utf8');
  const { payload } = JSON.parse(text) as { payload: { pull_request: { head: Side; base: Side } } };
  return payload.pull_request;
};

it('comes from its repository where its branch is there, or was', () => {
  const pull = opened();
  const head = { ...pull.head, repo: pull.base.repo, repo_id: pull.base.repo_id };
  for (const ref of ['topic', 'refs/pull/3/head'])
    expect(pullRequestInput({ ...pull, head: { ...head, ref, label: 'topic' } }).head).toMatchObject({
      ...{ ref: 'topic', repository: { id: pull.base.repo.id } },
    });
});

it('comes from nowhere we know where it was pushed to no branch, as anybody may who may read', () => {
  const pull = opened();
  // As a server tells one of refs/for/main: the repository itself, and a name that is left out.
  const head = { ...pull.head, repo: pull.base.repo, repo_id: pull.base.repo_id, ref: 'refs/pull/3/head', label: '' };
  expect(pullRequestInput({ ...pull, head }).head).toMatchObject({ ref: 'refs/pull/3/head', repository: null });
});
