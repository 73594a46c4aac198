import { describe, expect, it } from '@jest/globals';
import type { RestDouble } from '../../../test/support/github-rest/double.js';
import { seeded } from '../../../test/support/github-rest/seed.js';
import { OWNER, REPO, sha } from '../../../test/support/github-rest/world.js';
import { ask, mutate, run } from '../../../test/support/graphql.js';

const where = `${OWNER}/${REPO}`;

describe('createCommitOnBranch', () => {
  const commit = (more: object = {}) => ({
    branch: { repositoryNameWithOwner: where, branchName: 'main' },
    message: { headline: 'Change', body: 'Why' },
    expectedHeadOid: sha('third'),
    ...more,
  });
  const files = (double: RestDouble) => {
    const head = double.atRef('main');
    return Object.fromEntries([...head.tree].map(([path, one]) => [path, `${one.mode} ${one.content.toString()}`]));
  };
  const contents = (text: string) => Buffer.from(text).toString('base64');

  it('adds, changes and deletes files in one commit, and keeps their modes', async () => {
    const double = seeded();
    const fileChanges = {
      additions: [
        { path: 'new/file.txt', contents: contents('new') },
        { path: 'bin/run', contents: contents('#!/bin/bash\n') },
      ],
      deletions: [{ path: 'docs' }],
    };
    const payload = 'commit { oid message } ref { name target { oid } }';
    const made = await mutate(double, 'createCommitOnBranch', commit({ fileChanges }), payload);
    const head = double.atRef('main');
    expect(made).toEqual({
      commit: { oid: head.sha, message: 'Change\n\nWhy' },
      ref: { name: 'main', target: { oid: head.sha } },
    });
    expect(head.parents).toEqual([sha('third')]);
    expect(files(double)).toEqual({
      'README.md': '100644 # Web\n',
      'bin/run': '100755 #!/bin/bash\n',
      'new/file.txt': '100644 new',
    });
  });

  it('makes an empty commit', async () => {
    const double = seeded();
    const text = `mutation ($name: String!, $branch: String!, $head: GitObjectID!) {
      createCommitOnBranch(input: {
        branch: { repositoryNameWithOwner: $name, branchName: $branch }, message: { headline: "Empty" }, fileChanges: {}, expectedHeadOid: $head
      }) { commit { url } }
    }`;
    const before = files(double);
    const data = await run(double, text, { name: where, branch: 'main', head: sha('third') });
    const head = double.atRef('main');
    expect(data).toEqual({ createCommitOnBranch: { commit: { url: head.htmlUrl } } });
    expect(head).toMatchObject({ message: 'Empty', parents: [sha('third')] });
    expect(files(double)).toEqual(before);
  });

  const refused = async (double: RestDouble, input: object) => {
    const text =
      'mutation ($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }';
    const { errors } = await ask(double, text, { input });
    expect(double.world.refs.get('heads/main')).toBe(sha('third'));
    return errors?.[0]?.type;
  };

  it('refuses a branch that has moved, before and while it is made', async () => {
    const double = seeded();
    expect(await refused(double, commit({ expectedHeadOid: sha('second') }))).toBe('STALE_DATA');
    expect(double.calls).toEqual(['GET /repos/{owner}/{repo}/git/ref/{ref}']);
    const racing = seeded();
    racing.failures.set('PATCH /repos/{owner}/{repo}/git/refs/{ref}', () =>
      racing.failure(422, 'Update is not a fast forward'),
    );
    expect(await refused(racing, commit())).toBe('STALE_DATA');
  });

  it.each([
    ['a path twice', { additions: [{ path: 'a', contents: '' }], deletions: [{ path: 'a' }] }, 'UNPROCESSABLE'],
    ['a path that leaves the repository', { additions: [{ path: '../a', contents: '' }] }, 'UNPROCESSABLE'],
    ['contents that are no Base64', { additions: [{ path: 'a', contents: 'ä' }] }, 'UNPROCESSABLE'],
    ['a deletion of nothing', { deletions: [{ path: 'none' }] }, 'NOT_FOUND'],
  ])('refuses %s', async (_what, fileChanges, type) => {
    expect(await refused(seeded(), commit({ fileChanges }))).toBe(type);
  });

  it('refuses a branch that is not there or not named', async () => {
    expect(await refused(seeded(), commit({ branch: { repositoryNameWithOwner: where, branchName: 'none' } }))).toBe(
      'NOT_FOUND',
    );
    expect(await refused(seeded(), commit({ branch: { branchName: 'main' } }))).toBe('UNPROCESSABLE');
  });

  it('writes one file through the contents routes where Git objects cannot be written, and no more than one', async () => {
    const double = seeded();
    double.missing.add('POST /repos/{owner}/{repo}/git/blobs');
    const one = { path: 'README.md', contents: contents('# New\n') };
    const two = { path: 'other', contents: '' };
    expect(await refused(double, commit({ fileChanges: { additions: [one, two] } }))).toBe('NOT_SUPPORTED');
    await mutate(double, 'createCommitOnBranch', commit({ fileChanges: { additions: [one] } }));
    expect(files(double)['README.md']).toBe('100644 # New\n');
    expect(double.sent.find(({ route }) => route.startsWith('PUT'))?.parameters).toMatchObject({
      branch: 'main',
      message: 'Change\n\nWhy',
      sha: sha(Buffer.from('# Web\n').toString('hex')),
    });
  });
});
