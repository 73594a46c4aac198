import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { branchProtection } from './branch-protection.js';
import { branches } from './branches.js';
import { gitData } from './git-data.js';
import { refs } from './refs.js';

const BLOBS = '/repos/{owner}/{repo}/git/blobs';
const TREES = '/repos/{owner}/{repo}/git/trees';
const COMMITS = '/repos/{owner}/{repo}/git/commits';
const REFS = '/repos/{owner}/{repo}/git/refs';
const GET_REF = 'GET /repos/{owner}/{repo}/git/ref/{ref}';
const PROTECTION = '/repos/{owner}/{repo}/branches/{branch}/protection';
const NONE = 'f'.repeat(40);

describe('git on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea({ git: true });
  });
  afterAll(() => gitea.close());

  const shaOf = async (ref: string): Promise<string> => (await gitea.ask(GET_REF, { ref })).data.object.sha;

  it('objects are written in one run and reach the server with a ref', async () => {
    const main = await shaOf('heads/main');
    const base = (await gitea.ask(`GET ${COMMITS}/{commit_sha}`, { commit_sha: main })).data.tree.sha;
    const blob = await gitea.ask(`POST ${BLOBS}`, {
      content: Buffer.from('binary \0').toString('base64'),
      encoding: 'base64',
    });
    expect(blob.status).toBe(201);
    const tree = await gitea.ask(`POST ${TREES}`, {
      base_tree: base,
      tree: [
        { path: 'data.bin', mode: '100644', type: 'blob', sha: blob.data.sha },
        { path: 'docs/new.md', mode: '100644', type: 'blob', content: '# New\n' },
        { path: 'src/app.ts', mode: '100644', type: 'blob', sha: null },
      ],
    });
    expect(tree.status).toBe(201);
    const commit = await gitea.ask(`POST ${COMMITS}`, { message: 'By hand', tree: tree.data.sha, parents: [main] });
    expect(commit.data).toMatchObject({
      message: 'By hand',
      author: { name: 'forgeway-bot' },
      parents: [{ sha: main }],
    });

    // Not on the server yet, and readable all the same.
    expect((await gitea.ask(`GET ${COMMITS}/{commit_sha}`, { commit_sha: commit.data.sha })).data.tree.sha).toBe(
      tree.data.sha,
    );
    const written = await gitea.ask(`GET ${TREES}/{tree_sha}`, { tree_sha: tree.data.sha, recursive: '1' });
    expect(written.data.tree.map((entry: Loose) => entry.path)).toContain('docs/new.md');
    expect((await gitea.ask(`GET ${BLOBS}/{file_sha}`, { file_sha: blob.data.sha })).data.size).toBe(8);

    const ref = await gitea.ask(`POST ${REFS}`, { ref: 'refs/heads/by-hand', sha: commit.data.sha });
    expect([ref.status, ref.data.object.sha]).toEqual([201, commit.data.sha]);
    expect(await shaOf('heads/by-hand')).toBe(commit.data.sha);
    const file = await gitea.ask('GET /repos/{owner}/{repo}/contents/{path}', { path: 'docs/new.md', ref: 'by-hand' });
    expect(Buffer.from(file.data.content, 'base64').toString()).toBe('# New\n');
    expect(
      (await gitea.ask('GET /repos/{owner}/{repo}/contents/{path}', { path: 'src/app.ts', ref: 'by-hand' })).status,
    ).toBe(404);
    expect(gitea.told().slice(-2)).toEqual([
      ['create', undefined],
      ['push', undefined],
    ]);
  });

  it('objects that name others that are not there are refused', async () => {
    const main = await shaOf('heads/main');
    const tree = (await gitea.ask(`GET ${COMMITS}/{commit_sha}`, { commit_sha: main })).data.tree.sha;
    expect((await gitea.ask(`POST ${BLOBS}`, {})).status).toBe(422);
    expect((await gitea.ask(`POST ${TREES}`, { base_tree: NONE, tree: [] })).status).toBe(422);
    expect((await gitea.ask(`POST ${TREES}`, { tree: [{ path: 'x', mode: '100644', sha: NONE }] })).status).toBe(422);
    expect((await gitea.ask(`POST ${TREES}`, { tree: [{ path: 'x', mode: '9', sha: tree }] })).status).toBe(422);
    expect((await gitea.ask(`POST ${COMMITS}`, { message: 'm', tree: NONE })).status).toBe(422);
    expect((await gitea.ask(`POST ${COMMITS}`, { message: 'm', tree, parents: [NONE] })).status).toBe(422);
    expect((await gitea.ask(`POST ${REFS}`, { ref: 'refs/heads/x', sha: NONE })).status).toBe(422);
    for (const [path, name] of [
      [BLOBS, 'file_sha'],
      [TREES, 'tree_sha'],
      [COMMITS, 'commit_sha'],
    ])
      expect((await gitea.ask(`GET ${path}/{${name}}`, { [name as string]: NONE })).status).toBe(404);
  });

  it('refs are listed by what they begin with, made once, moved forward, and backward by force only', async () => {
    const main = await shaOf('heads/main');
    const made = await gitea.ask(`POST ${REFS}`, { ref: 'refs/heads/feature/one', sha: main });
    expect(gitea.rig.calls.at(-1)).toMatchObject({
      path: '/repos/acme/web/branches',
      json: { new_branch_name: 'feature/one', old_ref_name: main },
    });
    expect(made.status).toBe(201);
    expect((await gitea.ask(`POST ${REFS}`, { ref: 'refs/heads/feature/one', sha: main })).status).toBe(422);
    expect((await gitea.ask(`POST ${REFS}`, { ref: 'feature', sha: main })).status).toBe(422);
    const matching = await gitea.ask('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ref: 'heads/feature' });
    expect(matching.data.map((one: Loose) => one.ref)).toEqual(['refs/heads/feature/one']);
    expect(
      (await gitea.ask('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ref: 'heads/nothing' })).data,
    ).toEqual([]);
    expect((await gitea.ask(GET_REF, { ref: 'heads/feature' })).status).toBe(404);

    const ahead = await shaOf('heads/by-hand');
    const moved = await gitea.ask(`PATCH ${REFS}/{ref}`, { ref: 'heads/feature/one', sha: ahead });
    expect([moved.status, await shaOf('heads/feature/one')]).toEqual([200, ahead]);
    const back = await gitea.ask(`PATCH ${REFS}/{ref}`, { ref: 'heads/feature/one', sha: main });
    expect([back.status, back.data.message]).toEqual([422, 'Update is not a fast forward']);
    expect((await gitea.ask(`PATCH ${REFS}/{ref}`, { ref: 'heads/feature/one', sha: main, force: true })).status).toBe(
      200,
    );
    expect(await shaOf('heads/feature/one')).toBe(main);
    expect((await gitea.ask(`PATCH ${REFS}/{ref}`, { ref: 'heads/none', sha: main })).status).toBe(422);
    expect((await gitea.ask(`PATCH ${REFS}/{ref}`, { ref: 'heads/feature/one', sha: NONE })).status).toBe(422);
  });

  it('tags and branches are deleted, the default branch is not', async () => {
    const main = await shaOf('heads/main');
    expect((await gitea.ask(`POST ${REFS}`, { ref: 'refs/tags/v1', sha: main })).status).toBe(201);
    expect((await gitea.ask('GET /repos/{owner}/{repo}/tags')).data).toMatchObject([
      { name: 'v1', commit: { sha: main } },
    ]);
    for (const ref of ['tags/v1', 'heads/feature/one']) {
      expect((await gitea.ask(`DELETE ${REFS}/{ref}`, { ref })).status).toBe(204);
      expect((await gitea.ask(GET_REF, { ref })).status).toBe(404);
      expect((await gitea.ask(`DELETE ${REFS}/{ref}`, { ref })).status).toBe(422);
    }
    expect((await gitea.ask(`DELETE ${REFS}/{ref}`, { ref: 'heads/main' })).status).toBe(422);
    expect(gitea.told().filter(([type]) => type === 'delete').length).toBe(2);
  });

  it('annotated tags are read', async () => {
    const repository = gitea.fake.state.repositories.find((one) => one.name === 'web');
    const sha = await repository?.git.createTag({
      name: 'v2',
      target: 'main',
      message: 'Two',
      tagger: { name: 'Ann', email: 'ann@example.com' },
    });
    const tag = await gitea.ask('GET /repos/{owner}/{repo}/git/tags/{tag_sha}', { tag_sha: sha });
    expect(tag.data).toMatchObject({
      tag: 'v2',
      sha,
      object: { type: 'commit', sha: await shaOf('heads/main') },
      tagger: { name: 'Ann' },
    });
    expect((await gitea.ask('GET /repos/{owner}/{repo}/git/tags/{tag_sha}', { tag_sha: NONE })).status).toBe(404);
  });

  it('annotated tags are written, and reach the server with their ref', async () => {
    const [main, route] = [await shaOf('heads/main'), '/repos/{owner}/{repo}/git/tags'];
    const given = { tag: 'by-hand', message: 'One', object: main, type: 'commit' };
    const made = await gitea.ask(`POST ${route}`, given);
    expect([made.status, made.data]).toMatchObject([
      201,
      { tag: 'by-hand', message: 'One', object: { sha: main, type: 'commit' }, tagger: { name: 'forgeway-bot' } },
    ]);
    const which = { tag_sha: made.data.sha };
    expect((await gitea.ask(`GET ${route}/{tag_sha}`, which)).data).toEqual(made.data);
    const ref = await gitea.ask(`POST ${REFS}`, { ref: 'refs/tags/by-hand', sha: made.data.sha });
    expect([ref.status, ref.data]).toMatchObject([201, { object: { sha: made.data.sha, type: 'tag' } }]);
    expect((await gitea.ask(GET_REF, { ref: 'tags/by-hand' })).data.object.type).toBe('tag');
    expect((await gitea.ask(`GET ${route}/{tag_sha}`, which)).data.object.sha).toBe(main);
    for (const wrong of [{ tag: '' }, { message: undefined }, { object: undefined }, { type: 'x' }])
      expect((await gitea.ask(`POST ${route}`, { ...given, ...wrong })).status).toBe(422);
  });

  it('branches are read, and merged into one another', async () => {
    const listed = await gitea.ask('GET /repos/{owner}/{repo}/branches');
    expect(listed.data.map((one: Loose) => [one.name, one.protected])).toEqual([
      ['by-hand', false],
      ['main', false],
    ]);
    const branch = await gitea.ask('GET /repos/{owner}/{repo}/branches/{branch}', { branch: 'by-hand' });
    expect(branch.data).toMatchObject({
      name: 'by-hand',
      commit: { sha: await shaOf('heads/by-hand'), commit: { message: 'By hand' } },
    });
    await gitea.fake.push('acme', 'web', { branch: 'main', by: 'alice', files: { 'm.txt': 'm\n' } });
    const route = 'POST /repos/{owner}/{repo}/merges';
    const merged = await gitea.ask(route, { base: 'main', head: 'by-hand', commit_message: 'Bring it in' });
    expect([merged.status, merged.data.commit.message.trim(), merged.data.parents.length]).toEqual([
      201,
      'Bring it in',
      2,
    ]);
    expect(await shaOf('heads/main')).toBe(merged.data.sha);
    expect((await gitea.ask(route, { base: 'main', head: 'by-hand' })).status).toBe(204);
    expect((await gitea.ask(route, { base: 'none', head: 'by-hand' })).status).toBe(404);
    expect((await gitea.ask(route, { base: 'main', head: 'none' })).status).toBe(404);
    await gitea.fake.push('acme', 'web', { branch: 'left', by: 'bob', files: { 'm.txt': 'left\n' } });
    await gitea.fake.push('acme', 'web', { branch: 'main', by: 'bob', files: { 'm.txt': 'right\n' } });
    expect((await gitea.ask(route, { base: 'main', head: 'left' })).status).toBe(409);
  });

  it('branches are protected', async () => {
    const main = { branch: 'main' };
    expect((await gitea.ask(`GET ${PROTECTION}`, main)).data.message).toBe('Branch not protected');
    const rule = {
      ...main,
      required_status_checks: { strict: true, contexts: ['ci/build'] },
      enforce_admins: null,
      required_pull_request_reviews: { required_approving_review_count: 2, dismiss_stale_reviews: true },
      restrictions: { users: ['alice'], teams: [] },
    };
    const put = await gitea.ask(`PUT ${PROTECTION}`, rule);
    expect(put.data).toMatchObject({
      required_status_checks: { strict: true, contexts: ['ci/build'] },
      required_pull_request_reviews: { required_approving_review_count: 2, dismiss_stale_reviews: true },
      restrictions: { users: [{ login: 'alice' }] },
    });
    expect(gitea.rig.calls.at(-1)).toMatchObject({
      method: 'POST',
      json: { rule_name: 'main', required_approvals: 2 },
    });
    expect((await gitea.ask(`GET ${PROTECTION}`, main)).data).toEqual(put.data);
    const { required_status_checks: checks, restrictions, enforce_admins: admins } = put.data;
    const parts: [string, unknown][] = [
      ['enforce_admins', admins],
      ['required_status_checks/contexts', checks.contexts],
      ['restrictions', restrictions],
      ['restrictions/users', [{ login: 'alice' }]],
      ['restrictions/apps', []],
    ];
    for (const [part, data] of parts)
      expect([part, (await gitea.ask(`GET ${PROTECTION}/${part}`, main)).data]).toEqual([part, data]);
    const less = await gitea.ask(`PUT ${PROTECTION}`, {
      ...main,
      required_status_checks: null,
      required_pull_request_reviews: null,
      restrictions: null,
    });
    expect([gitea.rig.calls.at(-1)?.method, less.data.required_status_checks, less.data.restrictions]).toEqual([
      'PATCH',
      undefined,
      undefined,
    ]);
    for (const part of ['required_status_checks/contexts', 'restrictions/users'])
      expect((await gitea.ask(`GET ${PROTECTION}/${part}`, main)).status).toBe(404);
    expect(
      (await gitea.ask('GET /repos/{owner}/{repo}/branches', { protected: 'true' })).data.map((one: Loose) => one.name),
    ).toEqual(['main']);
    expect((await gitea.ask(`DELETE ${PROTECTION}`, main)).status).toBe(204);
    expect((await gitea.ask(`DELETE ${PROTECTION}`, main)).status).toBe(404);
    expect((await gitea.ask(`GET ${PROTECTION}`, { branch: 'none' })).status).toBe(404);
  });

  it('is not there in a repository that is not there', async () => {
    const more = {
      file_sha: NONE,
      tree_sha: NONE,
      commit_sha: NONE,
      tag_sha: NONE,
      tag: 'x',
      object: NONE,
      content: 'x',
      tree: NONE,
      message: 'm',
      branch: 'main',
      base: 'main',
      head: 'x',
    };
    for (const table of [branches, branchProtection]) await gitea.expectMissing(table, more);
    const { [`POST ${TREES}`]: _trees, ...others } = gitData;
    await gitea.expectMissing(others, more);
    const matching = 'GET /repos/{owner}/{repo}/git/matching-refs/{ref}';
    expect((await gitea.ask(matching, { ref: 'heads/nothing' })).data).toEqual([]);
    await gitea.expectMissing({ [matching]: refs[matching] as Loose }, { ref: 'heads' });
    await gitea.expectMissing({ [`POST ${TREES}`]: gitData[`POST ${TREES}`] as Loose }, { tree: [] });
  });

  it('is all proven', () => {
    gitea.expectEveryRow({ branches, branchProtection, gitData });
    gitea.expectEveryRow({ refs });
  });
});

describe('git without git', () => {
  it('is said to be missing, and branches still work', async () => {
    const gitea = await startGitea();
    const main = (await gitea.ask(GET_REF, { ref: 'heads/main' })).data.object.sha;
    expect((await gitea.ask(`POST ${REFS}`, { ref: 'refs/heads/x', sha: main })).status).toBe(201);
    expect((await gitea.ask(`POST ${REFS}`, { ref: 'refs/heads/y', sha: NONE })).status).toBe(422);
    expect((await gitea.ask(`POST ${BLOBS}`, { content: 'x' })).status).toBe(501);
    for (const [route, which] of [
      [`${BLOBS}/{file_sha}`, { file_sha: NONE }],
      ['/repos/{owner}/{repo}/git/tags/{tag_sha}', { tag_sha: NONE }],
    ] as const)
      expect((await gitea.ask(`GET ${route}`, which)).status).toBe(404);
    await gitea.close();
  });
});
