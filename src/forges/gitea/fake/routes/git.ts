/** What is read from git: commits, branches, tags, refs, trees, blobs, comparisons. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  notFound,
  nothing,
  ok,
  paged,
  paging,
  pagingQuery,
  refuse,
  repositoryFor,
  since,
} from '../answers.js';
import { branchJson, commitJson, pageOf, protectionFor, shortRefs } from '../git-json.js';
import { NO_COMMIT, refMoved } from '../happenings.js';
import type { Repository } from '../state.js';
import type { World } from '../world.js';

const text = parameter.text.optional();
const flag = parameter.flag.optional();
const DETAIL = { stat: flag, verification: flag, files: flag };

export function gitRoutes(world: World): FakeRoute[] {
  const base = '/repos/:owner/:repo';
  const apiOf = (repository: Repository) => `${world.apiUrl}/repos/${repository.owner}/${repository.name}`;
  const commitOf = async (repository: Repository, name: string | undefined): Promise<string> =>
    (await repository.git.resolve(name ?? '')) ?? notFound();
  const withFiles = (request: FakeRequest) => !['false', '0'].includes(request.query.get('files') ?? 'true');

  const refJson = async (repository: Repository, ref: string, sha: string) => {
    const isTag = ref.startsWith('refs/tags/') && (await repository.git.readTag(sha)) !== undefined;
    const type = isTag ? 'tag' : 'commit';
    return {
      ref,
      url: `${apiOf(repository)}/git/${ref}`,
      object: { type, sha, url: `${apiOf(repository)}/git/${type}s/${sha}` },
    };
  };

  async function listRefs(request: FakeRequest, filter: string) {
    const repository = repositoryFor(world, request);
    const refs = (await repository.git.refs()).filter(({ ref }) => ref.startsWith(`refs/${filter}`));
    if (refs.length === 0) return notFound();
    const [only] = refs;
    if (refs.length === 1 && only?.ref === `refs/${filter}`) return ok(await refJson(repository, only.ref, only.sha));
    return ok(await Promise.all(refs.map(({ ref, sha }) => refJson(repository, ref, sha))));
  }

  const tagJson = async (repository: Repository, name: string, sha: string) => {
    const commit = (await repository.git.resolve(`refs/tags/${name}`)) ?? sha;
    const page = pageOf(world, repository);
    return {
      name,
      message: (await repository.git.readTag(sha))?.message ?? '',
      id: sha,
      commit: { url: `${apiOf(repository)}/git/commits/${commit}`, sha: commit, created: world.state.now() },
      zipball_url: `${page}/archive/${name}.zip`,
      tarball_url: `${page}/archive/${name}.tar.gz`,
    };
  };

  return [
    {
      method: 'GET',
      path: `${base}/commits`,
      source: 'repository: GET /repos/{owner}/{repo}/commits',
      query: z.object({ ...paging, ...DETAIL, sha: text, path: text, not: text }),
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const named = request.query.get('sha') || repository.defaultBranch;
        const from = (await repository.git.resolve(named)) ?? refuse(500, 'GetCommit');
        const not = request.query.get('not');
        const path = request.query.get('path');
        const exclude = not === null ? undefined : await commitOf(repository, not);
        const shas = await repository.git.log(from, { ...(path && { path }), ...(exclude && { exclude }) });
        const show = (sha: string) => commitJson(world, repository, sha, { files: withFiles(request) });
        if (!path) return paged(world, request, shas, show);
        if (shas.length === 0) return notFound();
        // Of one path, `limit` is not listened to.
        const query = new URLSearchParams(request.query);
        query.set('limit', String(world.maxItems));
        return paged(world, { ...request, query }, shas, show);
      },
    },
    {
      method: 'GET',
      path: `${base}/git/commits/:sha`,
      source: 'repository: GET /repos/{owner}/{repo}/git/commits/{sha}',
      query: z.object(DETAIL),
      run: (request) => oneCommit(request),
    },
    // Only these two endings are formats: a branch may be named `release/1.0`.
    ...(['diff', 'patch'] as const).map(
      (ending): FakeRoute => ({
        method: 'GET',
        path: `${base}/git/commits/:sha.${ending}`,
        source: 'repository: GET /repos/{owner}/{repo}/git/commits/{sha}.{diffType}',
        run: async (request) => {
          const repository = repositoryFor(world, request);
          const id = await commitOf(repository, request.params.sha);
          const parent = (await repository.git.readCommit(id))?.parents[0];
          if (ending === 'patch' && parent !== undefined) return { body: await repository.git.formatPatch(parent, id) };
          return { body: (await repository.git.diff(parent ?? null, id)).text };
        },
      }),
    ),
    {
      method: 'GET',
      path: `${base}/branches`,
      source: 'repository: GET /repos/{owner}/{repo}/branches',
      query: pagingQuery,
      run: async (request) => {
        const repository = repositoryFor(world, request);
        return paged(world, request, await shortRefs(repository, 'heads'), ({ name, sha }) =>
          branchJson(world, repository, name, sha),
        );
      },
    },
    {
      method: 'POST',
      path: `${base}/branches`,
      source: 'repository: POST /repos/{owner}/{repo}/branches',
      body: z.object({
        new_branch_name: z.string(),
        old_branch_name: z.string().optional(),
        old_ref_name: z.string().optional(),
      }),
      run: async (request) => {
        const repository = repositoryFor(world, request, 'write');
        const body = request.body as { new_branch_name: string; old_branch_name?: string; old_ref_name?: string };
        const ref = `refs/heads/${body.new_branch_name}`;
        const from = body.old_ref_name ?? body.old_branch_name ?? repository.defaultBranch;
        const sha = (await repository.git.resolve(from)) ?? refuse(500, 'GetCommit');
        if ((await repository.git.resolve(ref)) !== undefined) refuse(409, 'The branch already exists.');
        await repository.git.setRef(ref, sha);
        await refMoved(world, repository, doer(request).login, ref, NO_COMMIT, sha);
        return created(await branchJson(world, repository, body.new_branch_name, sha));
      },
    },
    {
      method: 'GET',
      path: `${base}/branches/*branch`,
      source: 'repository: GET /repos/{owner}/{repo}/branches/{branch}',
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const name = request.params.branch ?? '';
        return ok(await branchJson(world, repository, name, await commitOf(repository, `refs/heads/${name}`)));
      },
    },
    {
      method: 'DELETE',
      path: `${base}/branches/*branch`,
      source: 'repository: DELETE /repos/{owner}/{repo}/branches/{branch}',
      run: async (request) => {
        const repository = repositoryFor(world, request, 'write');
        const name = request.params.branch ?? '';
        const sha = await commitOf(repository, `refs/heads/${name}`);
        if (name === repository.defaultBranch) refuse(403, 'can not delete default branch');
        if (protectionFor(repository, name)) refuse(403, 'branch protected');
        await repository.git.setRef(`refs/heads/${name}`, null);
        await refMoved(world, repository, doer(request).login, `refs/heads/${name}`, sha, NO_COMMIT);
        return nothing();
      },
    },
    {
      method: 'GET',
      path: `${base}/tags`,
      source: 'repository: GET /repos/{owner}/{repo}/tags',
      query: pagingQuery,
      run: async (request) => {
        const repository = repositoryFor(world, request);
        return paged(world, request, await shortRefs(repository, 'tags'), ({ name, sha }) =>
          tagJson(repository, name, sha),
        );
      },
    },
    {
      method: 'POST',
      path: `${base}/tags`,
      source: 'repository: POST /repos/{owner}/{repo}/tags',
      body: z.object({ tag_name: z.string(), message: z.string().optional(), target: z.string().optional() }),
      run: async (request) => {
        const repository = repositoryFor(world, request, 'write');
        const {
          tag_name: name,
          message,
          target,
        } = request.body as { tag_name: string; message?: string; target?: string };
        const sha = await commitOf(repository, target || repository.defaultBranch);
        if ((await repository.git.resolve(`refs/tags/${name}`)) !== undefined) refuse(409, 'tag exists');
        const { login, email } = doer(request);
        const object = message
          ? await repository.git.createTag({ name, target: sha, message, tagger: { name: login, email } })
          : sha;
        if (!message) await repository.git.setRef(`refs/tags/${name}`, sha);
        await refMoved(world, repository, login, `refs/tags/${name}`, NO_COMMIT, sha);
        return created(await tagJson(repository, name, object));
      },
    },
    {
      method: 'DELETE',
      path: `${base}/tags/:tag`,
      source: 'repository: DELETE /repos/{owner}/{repo}/tags/{tag}',
      run: async (request) => {
        const repository = repositoryFor(world, request, 'write');
        const name = request.params.tag ?? '';
        const sha = await commitOf(repository, `refs/tags/${name}`);
        if (repository.releases.some((one) => one.tag === name))
          refuse(409, 'a tag attached to a release cannot be deleted directly');
        await repository.git.setRef(`refs/tags/${name}`, null);
        await refMoved(world, repository, doer(request).login, `refs/tags/${name}`, sha, NO_COMMIT);
        return nothing();
      },
    },
    {
      method: 'GET',
      path: `${base}/git/refs`,
      source: 'repository: GET /repos/{owner}/{repo}/git/refs',
      run: (request) => listRefs(request, ''),
    },
    {
      method: 'GET',
      path: `${base}/git/refs/*ref`,
      source: 'repository: GET /repos/{owner}/{repo}/git/refs/{ref}',
      run: (request) => listRefs(request, request.params.ref ?? ''),
    },
    {
      method: 'GET',
      path: `${base}/git/tags/:sha`,
      source: 'repository: GET /repos/{owner}/{repo}/git/tags/{sha}',
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const tag = (await repository.git.readTag(request.params.sha ?? '')) ?? refuse(400, 'object does not exist');
        const api = apiOf(repository);
        return ok({
          tag: tag.name,
          sha: tag.sha,
          url: `${api}/git/tags/${tag.sha}`,
          message: tag.message,
          tagger: { name: tag.tagger.name, email: tag.tagger.email, date: tag.tagger.date },
          object: { type: 'commit', sha: tag.target, url: `${api}/git/commits/${tag.target}` },
          verification: {
            verified: false,
            reason: 'gpg.error.not_signed_commit',
            signature: '',
            signer: null,
            payload: '',
          },
        });
      },
    },
    {
      method: 'GET',
      path: `${base}/git/trees/:sha`,
      source: 'repository: GET /repos/{owner}/{repo}/git/trees/{sha}',
      query: z.object({ recursive: flag, page: parameter.integer.optional(), per_page: parameter.integer.optional() }),
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const sha = request.params.sha ?? '';
        const all =
          (await repository.git.readTree(sha, '', request.query.get('recursive') === 'true')) ??
          refuse(400, 'object does not exist');
        const size = Math.min(1000, Number(request.query.get('per_page') || 1000));
        const page = Number(request.query.get('page') || 1);
        const shown = all.slice((page - 1) * size, page * size);
        const commit = await repository.git.readCommit((await repository.git.resolve(sha)) ?? '');
        const api = apiOf(repository);
        return ok({
          sha: commit?.tree ?? sha,
          url: `${api}/git/trees/${sha}`,
          tree: shown.map((entry) => ({
            path: entry.path,
            mode: entry.mode,
            type: entry.type,
            size: entry.size ?? 0,
            sha: entry.sha,
            url: `${api}/git/${entry.type}s/${entry.sha}`,
          })),
          truncated: page * size < all.length,
          page,
          total_count: all.length,
        });
      },
    },
    {
      method: 'GET',
      path: `${base}/git/blobs/:sha`,
      source: 'repository: GET /repos/{owner}/{repo}/git/blobs/{sha}',
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const sha = request.params.sha ?? '';
        const bytes = (await repository.git.readBlob(sha)) ?? refuse(400, 'object does not exist');
        const url = `${apiOf(repository)}/git/blobs/${sha}`;
        return ok({ content: bytes.toString('base64'), encoding: 'base64', url, sha, size: bytes.length });
      },
    },
    since('v122', world, {
      method: 'GET',
      path: `${base}/compare/*basehead`,
      source: 'repository: GET /repos/{owner}/{repo}/compare/{basehead}',
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const [from, to] = (request.params.basehead ?? '').split('...');
        const [left, right] = [await commitOf(repository, from), await commitOf(repository, to)];
        const shas = await repository.git.log(right, { exclude: left });
        const commits = await Promise.all(shas.map((sha) => commitJson(world, repository, sha, { files: true })));
        return ok({ total_commits: shas.length, commits });
      },
    }),
  ];

  async function oneCommit(request: FakeRequest) {
    const repository = repositoryFor(world, request);
    const sha = await commitOf(repository, request.params.sha);
    return ok(await commitJson(world, repository, sha, { files: withFiles(request) }));
  }
}
