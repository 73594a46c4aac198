/** Files: read, written, deleted, archived. */
import { z } from 'zod';
import { git } from '../../../kit/fake/git-process.js';
import type { FakeFileChange, FakeTreeEntry } from '../../../kit/fake/git-store.js';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { created, doer, notFound, ok, refuse, repositoryFor } from '../answers.js';
import { commitJson, contentJson } from '../git-json.js';
import { NO_COMMIT, refMoved } from '../happenings.js';
import type { Repository } from '../state.js';
import type { World } from '../world.js';

const REF = z.object({ ref: parameter.text.optional() });
const person = z.object({ name: z.string(), email: z.string() }).optional();
const COMMIT = {
  message: z.string().optional(),
  branch: z.string().optional(),
  new_branch: z.string().optional(),
  author: person,
  committer: person,
  dates: z.object({ author: z.string().optional(), committer: z.string().optional() }).optional(),
  signoff: z.boolean().optional(),
};
const CREATE = z.object({ ...COMMIT, content: z.string() });
const UPDATE = z.object({ ...COMMIT, content: z.string(), sha: z.string(), from_path: z.string().optional() });
const DELETE = z.object({ ...COMMIT, sha: z.string() });

type Change = z.infer<z.ZodObject<typeof COMMIT>> & { content?: string; sha?: string };

export function fileRoutes(world: World): FakeRoute[] {
  const base = '/repos/:owner/:repo';
  const refOf = (repository: Repository, request: FakeRequest) => request.query.get('ref') || repository.defaultBranch;

  async function entryAt(repository: Repository, ref: string, path: string): Promise<FakeTreeEntry | undefined> {
    const folder = path.split('/').slice(0, -1).join('/');
    return (await repository.git.readTree(ref, folder))?.find((entry) => entry.path === path);
  }

  async function read(request: FakeRequest) {
    const repository = repositoryFor(world, request);
    const path = (request.params.filepath ?? '').replace(/\/$/, '');
    const ref = refOf(repository, request);
    if ((await repository.git.resolve(ref)) === undefined) return notFound();
    const entry = path === '' ? undefined : ((await entryAt(repository, ref, path)) ?? notFound());
    if (entry && entry.type !== 'tree') return ok(await contentJson(world, repository, ref, entry, true));
    const entries = (await repository.git.readTree(ref, path)) ?? notFound();
    return ok(await Promise.all(entries.map((one) => contentJson(world, repository, ref, one, false))));
  }

  async function write(request: FakeRequest, change: Change) {
    const repository = repositoryFor(world, request, 'write');
    const path = request.params.filepath ?? '';
    const branch = change.branch || repository.defaultBranch;
    const before = await repository.git.resolve(`refs/heads/${branch}`);
    if (before === undefined && branch !== repository.defaultBranch)
      return refuse(404, `branch does not exist [name: ${branch}]`);
    const present = before === undefined ? undefined : await entryAt(repository, branch, path);
    if (request.method === 'POST' && present) refuse(422, `repository file already exists [path: ${path}]`);
    if (request.method !== 'POST' && !present) refuse(404, `repository file does not exist [path: ${path}]`);
    if (present && change.sha !== undefined && present.sha !== change.sha)
      refuse(422, `sha does not match [given: ${change.sha}, expected: ${present.sha}]`);
    const account = doer(request);
    const author = { ...(change.author ?? { name: account.login, email: account.email }), date: change.dates?.author };
    const committer = {
      ...(change.committer ?? change.author ?? { name: account.login, email: account.email }),
      date: change.dates?.committer,
    };
    const target = change.new_branch || branch;
    const content: FakeFileChange['content'] =
      change.content === undefined ? null : Buffer.from(change.content, 'base64');
    const verb = content === null ? 'Delete' : present ? 'Update' : 'Add';
    const sha = await repository.git.commit({
      branch: target,
      ...(target !== branch && before !== undefined && { startAt: before }),
      message: change.message || `${verb} ${path}`,
      author,
      committer,
      files: [{ path, content }],
    });
    await refMoved(
      world,
      repository,
      account.login,
      `refs/heads/${target}`,
      target === branch ? (before ?? NO_COMMIT) : NO_COMMIT,
      sha,
    );
    const entry = content === null ? undefined : await entryAt(repository, target, path);
    const { commit, html_url, url, parents } = await commitJson(world, repository, sha);
    return {
      content: entry ? await contentJson(world, repository, target, entry, true) : null,
      commit: {
        url,
        sha,
        created: commit.committer.date,
        html_url,
        author: commit.author,
        committer: commit.committer,
        parents,
        message: commit.message,
        tree: commit.tree,
      },
      verification: commit.verification,
    };
  }

  const filepath = `${base}/contents/*filepath`;
  return [
    {
      method: 'GET',
      path: `${base}/contents`,
      source: 'repository: GET /repos/{owner}/{repo}/contents',
      query: REF,
      run: read,
    },
    {
      method: 'GET',
      path: filepath,
      source: 'repository: GET /repos/{owner}/{repo}/contents/{filepath}',
      query: REF,
      run: read,
    },
    {
      method: 'POST',
      path: filepath,
      source: 'repository: POST /repos/{owner}/{repo}/contents/{filepath}',
      body: CREATE,
      run: async (request) => created(await write(request, request.body as Change)),
    },
    {
      method: 'PUT',
      path: filepath,
      source: 'repository: PUT /repos/{owner}/{repo}/contents/{filepath}',
      body: UPDATE,
      run: async (request) => ok(await write(request, request.body as Change)),
    },
    {
      method: 'DELETE',
      path: filepath,
      source: 'repository: DELETE /repos/{owner}/{repo}/contents/{filepath}',
      body: DELETE,
      run: async (request) => ok(await write(request, request.body as Change)),
    },
    {
      method: 'GET',
      path: `${base}/raw/*filepath`,
      source: 'repository: GET /repos/{owner}/{repo}/raw/{filepath}',
      query: REF,
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const file = await repository.git.readFile(refOf(repository, request), request.params.filepath ?? '');
        return { body: (file ?? notFound()).content, contentType: 'text/plain; charset=utf-8' };
      },
    },
    {
      method: 'GET',
      path: `${base}/archive/*archive`,
      source: 'repository: GET /repos/{owner}/{repo}/archive/{archive}',
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const [, ref = '', format = ''] = /^(.+)\.(zip|tar\.gz)$/.exec(request.params.archive ?? '') ?? notFound();
        const sha = (await repository.git.resolve(ref)) ?? notFound();
        const body = await git(repository.git.directory, [
          'archive',
          `--format=${format}`,
          `--prefix=${repository.name}/`,
          sha,
        ]);
        return { body, contentType: format === 'zip' ? 'application/zip' : 'application/gzip' };
      },
    },
  ];
}
