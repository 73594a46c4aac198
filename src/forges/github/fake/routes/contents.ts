/** Files and commits: read, written, compared, merged. */
import { z } from 'zod';
import type { FakeTreeEntry } from '../../../kit/fake/git-store.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { apiOf } from '../../../kit/shapes/repository.js';
import {
  created,
  doer,
  field,
  inForm,
  invalid,
  notFound,
  nothing,
  ok,
  pageOf,
  refuse,
  repositoryFor,
  row,
  wantsForm,
} from '../answers.js';
import { commitJson, contentJson, fileJson, gitCommitJson } from '../git-json.js';
import { refMoved } from '../happenings.js';
import { webOf } from '../present.js';
import { type Repository, same } from '../state.js';
import type { World } from '../world.js';

const person = z.looseObject({ name: z.string(), email: z.string(), date: field.text }).optional();
const WRITE = z.looseObject({
  message: field.text,
  content: field.text,
  sha: field.text,
  branch: field.text,
  author: person,
  committer: person,
});
const MERGE = z.looseObject({ base: field.text, head: field.text, commit_message: field.text });
/** A comparison shows no more files than this. */
const MOST_FILES = 300;

export function contentRoutes(world: World): FakeRoute[] {
  const repo = 'repos/{owner}/{repo}';
  const reading = (request: FakeRequest) => repositoryFor(world, request, 'read', 'contents');
  const commitNamed = async (repository: Repository, name: string): Promise<string> =>
    (await repository.git.resolve(name)) ?? refuse(404, `No commit found for the ref ${name}`);

  async function entryAt(repository: Repository, ref: string, path: string): Promise<FakeTreeEntry | undefined> {
    const folder = path.split('/').slice(0, -1).join('/');
    return (await repository.git.readTree(ref, folder))?.find((entry) => entry.path === path);
  }

  async function read(request: FakeRequest) {
    const repository = reading(request);
    const path = (request.params.path ?? '').replace(/\/$/, '');
    const ref = request.query.get('ref') || repository.defaultBranch;
    await commitNamed(repository, ref);
    const entry = path === '' ? undefined : ((await entryAt(repository, ref, path)) ?? notFound());
    if (entry !== undefined && entry.type !== 'tree') {
      if (wantsForm(request, 'raw')) return inForm('raw', (await repository.git.readBlob(entry.sha)) ?? notFound());
      return ok(await contentJson(world, repository, ref, entry, true));
    }
    const entries = (await repository.git.readTree(ref, path)) ?? notFound();
    return ok(await Promise.all(entries.map((one) => contentJson(world, repository, ref, one, false))));
  }

  async function write(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'write', 'contents');
    const body = request.body as z.infer<typeof WRITE>;
    const path = request.params.path ?? '';
    const isDelete = request.method === 'DELETE';
    const branch = body.branch ?? repository.defaultBranch;
    const before = (await repository.git.resolve(`refs/heads/${branch}`)) ?? refuse(404, `Branch ${branch} not found`);
    if (!body.message) return invalid('Commit', 'message', 'missing_field');
    const present = await entryAt(repository, branch, path);
    if (isDelete && present === undefined) return notFound();
    if (present !== undefined && body.sha === undefined)
      return refuse(422, 'Invalid request.\n\n"sha" wasn\'t supplied.');
    if (present !== undefined && present.sha !== body.sha) return refuse(409, `${path} does not match ${body.sha}`);
    const { login, email } = doer(request);
    const author = body.author ?? body.committer ?? { name: login, email };
    const content = isDelete ? null : Buffer.from(body.content ?? '', 'base64');
    const sha = await repository.git.commit({
      branch,
      message: body.message,
      author,
      committer: body.committer ?? author,
      files: [{ path, content }],
    });
    await refMoved(world, repository, login, `refs/heads/${branch}`, before, sha);
    const entry = isDelete ? undefined : await entryAt(repository, sha, path);
    const commit = await gitCommitJson(world, repository, sha);
    const shown = entry ? await contentJson(world, repository, branch, entry, false) : null;
    return ok({ content: shown, commit }, present === undefined ? 201 : 200);
  }

  async function listCommits(request: FakeRequest) {
    const repository = reading(request);
    const value = (name: string) => request.query.get(name) || undefined;
    const from = await commitNamed(repository, value('sha') ?? repository.defaultBranch);
    const shas = await repository.git.log(from, {
      path: value('path'),
      since: value('since'),
      until: value('until'),
    });
    const author = value('author');
    if (author === undefined) return pageOf(world, request, shas, (sha) => commitJson(world, repository, sha));
    const all = await Promise.all(shas.map((sha) => commitJson(world, repository, sha)));
    const theirs = all.filter(({ author: who }) => same((who as { login?: string } | null)?.login ?? '', author));
    return pageOf(world, request, theirs, (one) => one);
  }

  async function oneCommit(request: FakeRequest) {
    const repository = reading(request);
    const sha =
      (await repository.git.resolve(request.params.ref ?? '')) ??
      refuse(422, `No commit found for SHA: ${request.params.ref}`);
    const parent = (await repository.git.readCommit(sha))?.parents[0] ?? null;
    if (wantsForm(request, 'sha')) return inForm('sha', sha);
    if (wantsForm(request, 'diff')) return inForm('diff', (await repository.git.diff(parent, sha)).text);
    if (wantsForm(request, 'patch') && parent) return inForm('patch', await repository.git.formatPatch(parent, sha));
    return ok(await commitJson(world, repository, sha, true));
  }

  async function compare(request: FakeRequest) {
    const repository = reading(request);
    const [base = '', head = ''] = (request.params.basehead ?? '').split('...');
    const plain = (name: string) => name.split(':').at(-1) ?? '';
    const [from, to] = [await commitNamed(repository, plain(base)), await commitNamed(repository, plain(head))];
    const middle =
      (await repository.git.mergeBase(from, to)) ?? refuse(404, `No common ancestor between ${base} and ${head}.`);
    const diff = await repository.git.diff(middle, to);
    if (wantsForm(request, 'diff')) return inForm('diff', diff.text);
    if (wantsForm(request, 'patch')) return inForm('patch', await repository.git.formatPatch(middle, to));
    const [ahead, behind] = [
      (await repository.git.log(to, { exclude: from })).toReversed(),
      await repository.git.log(from, { exclude: to }),
    ];
    const status =
      ahead.length > 0 ? (behind.length > 0 ? 'diverged' : 'ahead') : behind.length > 0 ? 'behind' : 'identical';
    const { json: commits, headers } = await pageOf(world, request, ahead, (sha) => commitJson(world, repository, sha));
    const page = `${webOf(world, repository)}/compare/${base}...${head}`;
    return {
      headers,
      json: {
        url: `${apiOf(world.base, repository.owner, repository.name)}/compare/${base}...${head}`,
        html_url: page,
        permalink_url: page,
        diff_url: `${page}.diff`,
        patch_url: `${page}.patch`,
        base_commit: await commitJson(world, repository, from),
        merge_base_commit: await commitJson(world, repository, middle),
        status,
        ahead_by: ahead.length,
        behind_by: behind.length,
        total_commits: ahead.length,
        commits,
        files: diff.files.slice(0, MOST_FILES).map((file) => fileJson(world, repository, to, file)),
      },
    };
  }

  async function merge(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'write', 'contents');
    const { base = '', head = '', commit_message: message } = request.body as z.infer<typeof MERGE>;
    const before = (await repository.git.resolve(`refs/heads/${base}`)) ?? refuse(404, 'Base does not exist');
    const other = (await repository.git.resolve(head)) ?? refuse(404, 'Head does not exist');
    if (await repository.git.isAncestor(other, before)) return nothing();
    const { login, email } = doer(request);
    const done = await repository.git.merge({
      base,
      head: other,
      message: message ?? `Merge ${head} into ${base}`,
      author: { name: login, email },
      how: 'merge',
    });
    if ('conflict' in done) return refuse(409, 'Merge conflict');
    await refMoved(world, repository, login, `refs/heads/${base}`, before, done.sha);
    return created(await commitJson(world, repository, done.sha));
  }

  return [
    row(`GET /${repo}/contents`, read),
    row(`GET /${repo}/contents/{+path}`, read),
    row(`PUT /${repo}/contents/{+path}`, write, { body: WRITE }),
    row(`DELETE /${repo}/contents/{+path}`, write, { body: WRITE }),
    row(`GET /${repo}/readme`, async (request) => {
      const repository = reading(request);
      const entries = (await repository.git.readTree(repository.defaultBranch)) ?? [];
      const found = entries.find(({ path }) => /^readme(\.\w+)?$/i.test(path)) ?? notFound();
      return read({ ...request, params: { ...request.params, path: found.path } });
    }),
    row(`GET /${repo}/commits`, listCommits),
    row(`GET /${repo}/commits/{+ref}`, oneCommit),
    row(`GET /${repo}/compare/{+basehead}`, compare),
    row(`POST /${repo}/merges`, merge, { body: MERGE }),
  ];
}
