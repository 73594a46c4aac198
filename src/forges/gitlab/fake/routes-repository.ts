/** Branches, tags, commits, files and comparisons. */

import { createHash } from 'node:crypto';
import type { AllCommitsOptions, CreateCommitOptions } from '@gitbeaker/rest';
import { z } from 'zod';
import { git } from '../../kit/fake/git-process.js';
import type { FakeFileChange } from '../../kit/fake/git-store.js';
import { parameter } from '../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { refMoved } from './change.js';
import { actorOf, DEVELOPER, paged, paging, pagingOnly, parametersOf, projectFor, refuse } from './declare.js';
import { branch, commit, diff, simpleMergeRequest, tag } from './present-git.js';
import type { Project, World } from './state.js';

const text = z.string().optional();
const commitQuery = parametersOf<AllCommitsOptions>()(
  {
    ref_name: text,
    since: parameter.time.optional(),
    until: parameter.time.optional(),
    path: text,
    author: text,
    all: parameter.flag.optional(),
    with_stats: parameter.flag.optional(),
    first_parent: parameter.flag.optional(),
  },
  paging,
);
const action = z.strictObject({
  action: z.enum(['create', 'update', 'delete', 'move', 'chmod']),
  file_path: z.string().min(1),
  previous_path: text,
  content: text,
  encoding: z.enum(['text', 'base64']).optional(),
  last_commit_id: text,
  execute_filemode: z.boolean().optional(),
});
const newCommit = parametersOf<CreateCommitOptions>()(
  {
    start_branch: text,
    start_sha: text,
    author_email: text,
    author_name: text,
    stats: z.boolean().optional(),
    force: z.boolean().optional(),
    actions: z.array(action),
  },
  { branch: z.string().min(1), commit_message: z.string().min(1) },
);

/** Commit of a ref, or 404 in GitLab's words. */
async function shaOf(project: Project, ref: string, what = 'Commit'): Promise<string> {
  return (
    (await project.git.resolve(ref === 'HEAD' ? project.defaultBranch : ref)) ?? refuse(404, `404 ${what} Not Found`)
  );
}

const filesOf = async (project: Project, sha: string) => {
  const [parent = null] = (await project.git.readCommit(sha))?.parents ?? [];
  return (await project.git.diff(parent, sha)).files;
};

const statsOf = (files: readonly { additions: number; deletions: number }[]) => {
  const additions = files.reduce((sum, file) => sum + file.additions, 0);
  const deletions = files.reduce((sum, file) => sum + file.deletions, 0);
  return { additions, deletions, total: additions + deletions };
};

async function changeOf(
  project: Project,
  head: string | undefined,
  one: z.output<typeof action>,
): Promise<FakeFileChange[]> {
  const before = head === undefined ? undefined : await project.git.readFile(head, one.file_path);
  if (one.action === 'create' && before) refuse(400, 'A file with this name already exists');
  if (one.action !== 'create' && before === undefined) refuse(400, "A file with this name doesn't exist");
  if (one.last_commit_id !== undefined && head !== undefined) {
    const [last] = await project.git.log(head, { path: one.file_path, limit: 1 });
    if (last !== one.last_commit_id)
      refuse(400, 'You are attempting to update a file that has changed since you started editing it.');
  }
  if (one.action === 'delete') return [{ path: one.file_path, content: null }];
  return [
    { path: one.file_path, content: Buffer.from(one.content ?? '', one.encoding === 'base64' ? 'base64' : 'utf8') },
  ];
}

async function makeCommit(world: World, project: Project, request: FakeRequest): Promise<string> {
  const body = request.body as z.output<typeof newCommit>;
  const by = actorOf(request);
  const ref = `refs/heads/${body.branch}`;
  const before = await project.git.resolve(ref);
  const start = body.start_sha ?? body.start_branch;
  if (before === undefined && start === undefined && (await project.git.refs('refs/heads/')).length > 0)
    refuse(400, 'You can only create or edit files when you are on a branch');
  const head = before ?? (start === undefined ? undefined : await shaOf(project, start));
  const files = (await Promise.all(body.actions.map((one) => changeOf(project, head, one)))).flat();
  const date = world.now();
  const sha = await project.git.commit({
    branch: body.branch,
    startAt: head,
    message: body.commit_message,
    author: { name: body.author_name ?? by.name, email: body.author_email ?? by.email, date },
    committer: { name: by.name, email: by.email, date },
    files,
  });
  await refMoved(world, project, by, { ref, before, after: sha });
  return sha;
}

function fileRoutes(world: World): FakeRoute[] {
  const ref = z.strictObject({ ref: z.string().min(1) });
  const found = async (request: FakeRequest) => {
    const project = projectFor(world, request);
    const sha = await shaOf(project, request.query.get('ref') ?? 'HEAD');
    const path = request.params.file ?? '';
    return { project, sha, path, file: (await project.git.readFile(sha, path)) ?? refuse(404, '404 File Not Found') };
  };
  return [
    {
      method: 'GET',
      path: '/projects/:id/repository/files/:file',
      source: 'repository_files: GET /projects/:id/repository/files/:file_path',
      query: ref,
      async run(request) {
        const { project, sha, path, file } = await found(request);
        const [last] = await project.git.log(sha, { path, limit: 1 });
        return {
          headers: { 'x-gitlab-blob-id': file.sha, 'x-gitlab-size': String(file.content.length) },
          json: {
            file_name: path.split('/').at(-1),
            file_path: path,
            size: file.content.length,
            encoding: 'base64',
            content: file.content.toString('base64'),
            content_sha256: createHash('sha256').update(file.content).digest('hex'),
            ref: request.query.get('ref'),
            blob_id: file.sha,
            commit_id: sha,
            last_commit_id: last,
            execute_filemode: file.mode === '100755',
          },
        };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/repository/files/:file/raw',
      source: 'repository_files: GET /projects/:id/repository/files/:file_path/raw',
      query: ref.partial(),
      run: async (request) => ({ body: (await found(request)).file.content, contentType: 'text/plain' }),
    },
    {
      method: 'GET',
      path: '/projects/:id/repository/tree',
      source: 'repositories: GET /projects/:id/repository/tree',
      query: z.strictObject({ ...paging, ref: text, path: text, recursive: parameter.flag.optional() }),
      async run(request) {
        const project = projectFor(world, request);
        const sha = await shaOf(project, request.query.get('ref') ?? 'HEAD', 'Tree');
        const isRecursive = ['true', '1'].includes(request.query.get('recursive') ?? '');
        const entries = await project.git.readTree(sha, request.query.get('path') ?? '', isRecursive);
        if (entries === undefined) return refuse(404, '404 invalid revision or path Not Found');
        const shown = entries.map((entry) => ({
          id: entry.sha,
          name: entry.path.split('/').at(-1),
          type: entry.type,
          path: entry.path,
          mode: entry.mode,
        }));
        return paged(request, shown);
      },
    },
    ...(['tar.gz', 'zip'] as const).map(
      (format): FakeRoute => ({
        method: 'GET',
        path: `/projects/:id/repository/archive.${format}`,
        source: 'repositories: GET /projects/:id/repository/archive',
        query: z.strictObject({ sha: text }),
        async run(request) {
          const project = projectFor(world, request);
          const sha = await shaOf(project, request.query.get('sha') ?? 'HEAD');
          const body = await git(project.git.directory, ['archive', `--format=${format}`, '--prefix=web/', sha]);
          return { body, contentType: format === 'zip' ? 'application/zip' : 'application/gzip' };
        },
      }),
    ),
    {
      method: 'GET',
      path: '/projects/:id/repository/blobs/:sha',
      source: 'repositories: GET /projects/:id/repository/blobs/:sha',
      async run(request) {
        const project = projectFor(world, request);
        const sha = request.params.sha ?? '';
        const content = await project.git.readBlob(sha);
        if (content === undefined) return refuse(404, '404 Blob Not Found');
        return { json: { size: content.length, encoding: 'base64', content: content.toString('base64'), sha } };
      },
    },
  ];
}

function commitRoutes(world: World): FakeRoute[] {
  const api = '/projects/:id/repository/commits';
  const doc = (method: string, rest = '') => `commits: ${method} /projects/:id/repository/commits${rest}`;
  return [
    {
      method: 'GET',
      path: api,
      source: doc('GET'),
      query: commitQuery,
      async run(request) {
        const project = projectFor(world, request);
        const get = (name: string) => request.query.get(name) ?? undefined;
        const from = await shaOf(project, get('ref_name') ?? 'HEAD', 'Tree');
        const shas = await project.git.log(from, { path: get('path'), since: get('since'), until: get('until') });
        const shown = await Promise.all(shas.map((sha) => commit(world, project, sha)));
        const author = get('author')?.toLowerCase();
        return paged(
          request,
          shown.filter(
            (one) => author === undefined || `${one.author_name} <${one.author_email}>`.toLowerCase().includes(author),
          ),
        );
      },
    },
    {
      method: 'POST',
      path: api,
      source: doc('POST'),
      body: newCommit,
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        return { status: 201, json: await commit(world, project, await makeCommit(world, project, request)) };
      },
    },
    {
      method: 'GET',
      path: `${api}/:sha`,
      source: doc('GET', '/:sha'),
      query: z.strictObject({ stats: parameter.flag.optional() }),
      async run(request) {
        const project = projectFor(world, request);
        const sha = await shaOf(project, request.params.sha ?? '');
        return {
          json: {
            ...(await commit(world, project, sha)),
            stats: statsOf(await filesOf(project, sha)),
            status: null,
            project_id: project.id,
          },
        };
      },
    },
    {
      method: 'GET',
      path: `${api}/:sha/diff`,
      source: doc('GET', '/:sha/diff'),
      query: pagingOnly,
      async run(request) {
        const project = projectFor(world, request);
        return paged(request, (await filesOf(project, await shaOf(project, request.params.sha ?? ''))).map(diff));
      },
    },
    {
      method: 'GET',
      path: `${api}/:sha/merge_requests`,
      source: doc('GET', '/:sha/merge_requests'),
      query: pagingOnly.extend({ state: text }),
      async run(request) {
        const project = projectFor(world, request);
        const sha = await shaOf(project, request.params.sha ?? '');
        const holds = await Promise.all(
          project.mergeRequests.map(
            async (mr) =>
              [mr.mergeCommitSha, mr.squashCommitSha].includes(sha) ||
              ((await project.git.isAncestor(sha, mr.sha)) && !(await project.git.isAncestor(sha, mr.startSha))),
          ),
        );
        const found = project.mergeRequests.filter((_, at) => holds[at]);
        return paged(request, await Promise.all(found.map((mr) => simpleMergeRequest(world, project, mr))));
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/repository/compare',
      source: 'repositories: GET /projects/:id/repository/compare',
      query: z.strictObject({
        from: z.string(),
        to: z.string(),
        straight: parameter.flag.optional(),
        from_project_id: parameter.integer.optional(),
      }),
      async run(request) {
        const project = projectFor(world, request);
        const other = world.state.projects.find(({ id }) => id === Number(request.query.get('from_project_id')));
        const from = await shaOf(other ?? project, request.query.get('from') ?? '', 'Ref');
        const to = await shaOf(project, request.query.get('to') ?? '', 'Ref');
        if (other && other !== project) await world.share(other, project, from);
        const base = await project.git.mergeBase(from, to);
        const shas = (await project.git.log(to, { exclude: from })).toReversed();
        const commits = await Promise.all(shas.map((sha) => commit(world, project, sha)));
        const { files } = await project.git.diff(base ?? from, to);
        return {
          json: {
            commit: commits.at(-1) ?? null,
            commits,
            diffs: files.map(diff),
            compare_timeout: false,
            compare_same_ref: from === to,
          },
        };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/repository/merge_base',
      source: 'repositories: GET /projects/:id/repository/merge_base',
      query: z.strictObject({ 'refs[]': z.array(z.string()).min(2) }),
      async run(request) {
        const project = projectFor(world, request);
        const refs = request.query.getAll('refs[]');
        const [a, b] = await Promise.all(refs.map((ref) => project.git.resolve(ref)));
        if (a === undefined || b === undefined)
          return refuse(400, `Could not find ref: ${a === undefined ? refs[0] : refs[1]}`);
        const base = await project.git.mergeBase(a, b);
        return base === undefined
          ? refuse(404, '404 Merge Base Not Found')
          : { json: await commit(world, project, base) };
      },
    },
  ];
}

function refRoutes(world: World, kind: 'branches' | 'tags'): FakeRoute[] {
  const api = `/projects/:id/repository/${kind}`;
  const doc = (method: string, rest = '') => `${kind}: ${method} /projects/:id/repository/${kind}${rest}`;
  const prefix = kind === 'branches' ? 'refs/heads/' : 'refs/tags/';
  const show = (project: Project, name: string, sha: string) =>
    kind === 'branches' ? branch(world, project, name, sha) : tag(world, project, name, sha);
  const found = async (project: Project, name: string) =>
    (await project.git.refs(prefix)).find(({ ref }) => ref === `${prefix}${name}`) ??
    refuse(404, `404 ${kind === 'branches' ? 'Branch' : 'Tag'} Not Found`);
  const created =
    kind === 'branches'
      ? z.strictObject({ branch: z.string().min(1), ref: z.string().min(1) })
      : z.strictObject({ tag_name: z.string().min(1), ref: z.string().min(1), message: text });
  return [
    {
      method: 'GET',
      path: api,
      source: doc('GET'),
      query: pagingOnly.extend({ search: text, order_by: text, sort: text }),
      async run(request) {
        const project = projectFor(world, request);
        const search = request.query.get('search') ?? '';
        const names = (await project.git.refs(prefix)).map(({ ref, sha }) => ({ name: ref.slice(prefix.length), sha }));
        const matching = names.filter(({ name }) =>
          search.startsWith('^') ? name.startsWith(search.slice(1)) : name.includes(search),
        );
        return paged(request, await Promise.all(matching.map(({ name, sha }) => show(project, name, sha))));
      },
    },
    {
      method: 'GET',
      path: `${api}/:name`,
      source: doc('GET', '/:name'),
      async run(request) {
        const project = projectFor(world, request);
        const name = request.params.name ?? '';
        return { json: await show(project, name, (await found(project, name)).sha) };
      },
    },
    {
      method: 'POST',
      path: api,
      source: doc('POST'),
      body: created,
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const body = request.body as { branch?: string; tag_name?: string; ref: string };
        const name = body.branch ?? body.tag_name ?? '';
        const target = (await project.git.resolve(body.ref)) ?? refuse(400, `Invalid reference name: ${body.ref}`);
        const exists = (await project.git.refs(prefix)).some(({ ref }) => ref === `${prefix}${name}`);
        if (exists) return refuse(400, `${kind === 'branches' ? 'Branch' : 'Tag'} already exists`);
        await project.git.setRef(`${prefix}${name}`, target);
        await refMoved(world, project, actorOf(request), { ref: `${prefix}${name}`, before: undefined, after: target });
        return { status: 201, json: await show(project, name, target) };
      },
    },
    {
      method: 'DELETE',
      path: `${api}/:name`,
      source: doc('DELETE', '/:name'),
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const name = request.params.name ?? '';
        const { sha } = await found(project, name);
        if (kind === 'branches' && project.protections.some((one) => one.name === name))
          return refuse(405, 'Protected branch cant be removed');
        await project.git.setRef(`${prefix}${name}`, null);
        await refMoved(world, project, actorOf(request), { ref: `${prefix}${name}`, before: sha, after: undefined });
        return { status: 204 };
      },
    },
  ];
}

export const repositoryRoutes = (world: World): FakeRoute[] => [
  ...refRoutes(world, 'branches'),
  ...refRoutes(world, 'tags'),
  ...commitRoutes(world),
  ...fileRoutes(world),
];
