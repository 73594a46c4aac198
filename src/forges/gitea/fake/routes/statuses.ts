/** Commit statuses, branch protection and releases. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { created, doer, notFound, nothing, ok, paged, paging, refuse, repositoryFor } from '../answers.js';
import { NO_COMMIT, refMoved, tellRelease, tellStatus } from '../happenings.js';
import { releaseJson, repositoryJson, statusJson } from '../objects.js';
import type { Protection, Release, Repository, Status } from '../state.js';
import type { World } from '../world.js';

const STATES = ['pending', 'success', 'error', 'failure', 'warning'] as const;
const LIST = z.object({
  ...paging,
  sort: z.enum(['oldest', 'recentupdate', 'leastupdate', 'leastindex', 'highestindex']).optional(),
  state: z.enum(STATES).optional(),
});
const CREATE = z.object({
  state: z.enum(STATES),
  context: z.string().optional(),
  description: z.string().optional(),
  target_url: z.string().optional(),
});

const text = z.string().optional();
const flag = z.boolean().optional();
const names = z.array(z.string()).optional();
const RULE = {
  enable_push: flag,
  enable_push_whitelist: flag,
  push_whitelist_usernames: names,
  push_whitelist_teams: names,
  enable_status_check: flag,
  status_check_contexts: names,
  required_approvals: z.number().int().optional(),
  block_on_rejected_reviews: flag,
  block_on_outdated_branch: flag,
  dismiss_stale_approvals: flag,
  require_signed_commits: flag,
};
const RELEASE = z.object({
  tag_name: text,
  target_commitish: text,
  name: text,
  body: text,
  draft: flag,
  prerelease: flag,
});

export function statusRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const base = '/repos/:owner/:repo';
  /** Of attached files, by their numbers. */
  const contents = new Map<number, Buffer>();

  const newest = (repository: Repository, sha: string): Status[] => [...(repository.statuses.get(sha) ?? [])].reverse();

  const list = (path: string, source: string): FakeRoute => ({
    method: 'GET',
    path,
    source,
    query: LIST,
    run: async (request) => {
      const repository = repositoryFor(world, request);
      const sha = (await repository.git.resolve(request.params.ref ?? '')) ?? notFound();
      const wanted = request.query.get('state');
      const shown = newest(repository, sha).filter((one) => wanted === null || one.state === wanted);
      const oldestFirst = ['oldest', 'leastupdate', 'leastindex'].includes(request.query.get('sort') ?? '');
      return paged(world, request, oldestFirst ? shown.reverse() : shown, (one) =>
        statusJson(world, repository, sha, one),
      );
    },
  });

  const ruleJson = (rule: Protection) => ({
    branch_name: rule.rule,
    rule_name: rule.rule,
    enable_push: true,
    enable_push_whitelist: false,
    push_whitelist_usernames: [],
    push_whitelist_teams: [],
    push_whitelist_deploy_keys: false,
    enable_merge_whitelist: false,
    merge_whitelist_usernames: [],
    merge_whitelist_teams: [],
    enable_status_check: false,
    status_check_contexts: [],
    required_approvals: 0,
    enable_approvals_whitelist: false,
    approvals_whitelist_username: [],
    approvals_whitelist_teams: [],
    block_on_rejected_reviews: false,
    block_on_official_review_requests: false,
    block_on_outdated_branch: false,
    dismiss_stale_approvals: false,
    require_signed_commits: false,
    protected_file_patterns: '',
    unprotected_file_patterns: '',
    ...rule.fields,
    created_at: rule.created,
    updated_at: rule.created,
  });

  const ruleFor = (repository: Repository, request: FakeRequest): Protection =>
    repository.protections.find((one) => one.rule === request.params.name) ?? notFound();

  const releaseFor = (repository: Repository, request: FakeRequest): Release =>
    repository.releases.find((one) => String(one.id) === request.params.id) ?? notFound();

  /** A published release has its tag. */
  async function tagFor(repository: Repository, release: Release, sender: string): Promise<void> {
    const ref = `refs/tags/${release.tag}`;
    if (release.draft || (await repository.git.resolve(ref)) !== undefined) return;
    const sha = (await repository.git.resolve(release.target || repository.defaultBranch)) ?? notFound();
    await repository.git.setRef(ref, sha);
    await refMoved(world, repository, sender, ref, NO_COMMIT, sha);
  }

  async function createRelease(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'write');
    const body = request.body as z.infer<typeof RELEASE>;
    if (!body.tag_name) return refuse(422, '[TagName]: Required');
    if (repository.releases.some((one) => one.tag === body.tag_name)) refuse(409, 'Release is has no Tag');
    const release: Release = {
      id: state.nextId(),
      tag: body.tag_name,
      target: body.target_commitish || repository.defaultBranch,
      name: body.name ?? '',
      body: body.body ?? '',
      draft: body.draft ?? false,
      prerelease: body.prerelease ?? false,
      author: doer(request).login,
      created: state.now(),
      assets: [],
    };
    await tagFor(repository, release, release.author);
    repository.releases.push(release);
    if (!release.draft) tellRelease(world, repository, release, release.author, 'published');
    return created(releaseJson(world, repository, release));
  }

  async function editRelease(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'write');
    const release = releaseFor(repository, request);
    const body = request.body as z.infer<typeof RELEASE>;
    const wasDraft = release.draft;
    release.tag = body.tag_name ?? release.tag;
    release.target = body.target_commitish ?? release.target;
    release.name = body.name ?? release.name;
    release.body = body.body ?? release.body;
    release.draft = body.draft ?? release.draft;
    release.prerelease = body.prerelease ?? release.prerelease;
    await tagFor(repository, release, doer(request).login);
    if (!release.draft)
      tellRelease(world, repository, release, doer(request).login, wasDraft ? 'published' : 'updated');
    return ok(releaseJson(world, repository, release));
  }

  const oneRelease = (
    path: string,
    find: (repository: Repository, request: FakeRequest) => Release | undefined,
  ): FakeRoute => ({
    method: 'GET',
    path,
    source: `repository: GET ${path}`,
    run: (request) => {
      const repository = repositoryFor(world, request);
      return ok(releaseJson(world, repository, find(repository, request) ?? notFound()));
    },
  });

  /** The form's own name of the file counts only where the query has none. */
  async function attach(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'write');
    const release = releaseFor(repository, request);
    const form = await new Response(new Uint8Array(request.raw), { headers: request.headers }).formData();
    const file = form.get('attachment');
    if (!(file instanceof File)) return refuse(400, 'http: no such file');
    const asset = { id: state.nextId(), name: request.query.get('name') ?? file.name, size: file.size };
    contents.set(asset.id, Buffer.from(await file.arrayBuffer()));
    release.assets.push(asset);
    return created(releaseJson(world, repository, release).assets.find(({ id }) => id === asset.id));
  }

  /** What a browser downloads; whoever may not read gets a page to sign in. */
  const download: FakeRoute = {
    method: 'GET',
    path: `${base}/releases/download/:tag/:name`,
    source: 'web: GET /{owner}/{repo}/releases/download/{tag}/{name}',
    run(request) {
      const { tag, name } = request.params;
      const release = repositoryFor(world, request).releases.find((one) => one.tag === tag);
      const asset = release?.assets.find((one) => one.name === name) ?? notFound();
      return { body: contents.get(asset.id) ?? Buffer.alloc(asset.size), contentType: 'application/octet-stream' };
    },
  };

  const assetPath = `${base}/releases/:id/assets/:attachment`;
  const assetSource = (method: string) =>
    `repository: ${method} /repos/{owner}/{repo}/releases/{id}/assets/{attachment_id}`;
  const assetIn = (repository: Repository, request: FakeRequest) => {
    const release = releaseFor(repository, request);
    return release.assets.find(({ id }) => String(id) === request.params.attachment) ?? notFound();
  };
  const assetShown = (repository: Repository, request: FakeRequest) => {
    const { id } = assetIn(repository, request);
    return releaseJson(world, repository, releaseFor(repository, request)).assets.find((one) => one.id === id);
  };

  const published = (repository: Repository) => [...repository.releases].reverse().filter((one) => !one.draft);

  return [
    download,
    {
      method: 'POST',
      path: `${base}/releases/:id/assets`,
      source: 'repository: POST /repos/{owner}/{repo}/releases/{id}/assets',
      query: z.object({ name: text }),
      body: z.instanceof(Buffer),
      run: attach,
    },
    {
      method: 'PATCH',
      path: assetPath,
      source: assetSource('PATCH'),
      body: z.object({ name: text }),
      run: (request) => {
        const repository = repositoryFor(world, request, 'write');
        const { name } = request.body as { name?: string };
        if (name) assetIn(repository, request).name = name;
        return created(assetShown(repository, request));
      },
    },
    {
      method: 'DELETE',
      path: assetPath,
      source: assetSource('DELETE'),
      run: (request) => {
        const repository = repositoryFor(world, request, 'write');
        const asset = assetIn(repository, request);
        const release = releaseFor(repository, request);
        release.assets = release.assets.filter((one) => one !== asset);
        return nothing();
      },
    },
    {
      method: 'POST',
      path: `${base}/statuses/:sha`,
      source: 'repository: POST /repos/{owner}/{repo}/statuses/{sha}',
      body: CREATE,
      run: async (request) => {
        const repository = repositoryFor(world, request, 'write');
        const sha = (await repository.git.resolve(request.params.sha ?? '')) ?? refuse(500, 'CreateCommitStatus');
        const body = request.body as z.infer<typeof CREATE>;
        const status: Status = {
          id: state.nextId(),
          state: body.state,
          context: body.context || 'default',
          description: body.description ?? '',
          targetUrl: body.target_url ?? '',
          creator: doer(request).login,
          created: state.now(),
        };
        repository.statuses.set(sha, [...(repository.statuses.get(sha) ?? []), status]);
        await tellStatus(world, repository, sha, status);
        return created(statusJson(world, repository, sha, status));
      },
    },
    list(`${base}/statuses/:ref`, 'repository: GET /repos/{owner}/{repo}/statuses/{sha}'),
    list(`${base}/commits/:ref/statuses`, 'repository: GET /repos/{owner}/{repo}/commits/{ref}/statuses'),
    {
      method: 'GET',
      path: `${base}/commits/:ref/status`,
      source: 'repository: GET /repos/{owner}/{repo}/commits/{ref}/status',
      query: z.object(paging),
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const sha = (await repository.git.resolve(request.params.ref ?? '')) ?? notFound();
        const latest = [
          ...new Map(
            newest(repository, sha)
              .reverse()
              .map((one) => [one.context, one]),
          ).values(),
        ];
        const worst = ['error', 'failure', 'warning', 'pending', 'success'].find((word) =>
          latest.some((one) => one.state === word),
        );
        return ok({
          state: worst ?? '',
          sha,
          total_count: latest.length,
          statuses: latest.map((one) => statusJson(world, repository, sha, one)),
          repository: repositoryJson(world, repository, doer(request).login),
          commit_url: '',
          url: '',
        });
      },
    },
    {
      method: 'GET',
      path: `${base}/branch_protections`,
      source: 'repository: GET /repos/{owner}/{repo}/branch_protections',
      run: (request) => ok(repositoryFor(world, request, 'admin').protections.map(ruleJson)),
    },
    {
      method: 'POST',
      path: `${base}/branch_protections`,
      source: 'repository: POST /repos/{owner}/{repo}/branch_protections',
      body: z.object({ ...RULE, rule_name: text, branch_name: text }),
      run: (request) => {
        const repository = repositoryFor(world, request, 'admin');
        const { rule_name, branch_name, ...fields } = request.body as Record<string, unknown>;
        const rule = String(rule_name ?? branch_name ?? '');
        if (rule === '') refuse(422, 'both rule_name and branch_name are empty');
        if (repository.protections.some((one) => one.rule === rule)) refuse(403, 'Branch protection already exist');
        const made = { rule, created: state.now(), fields };
        repository.protections.unshift(made);
        return created(ruleJson(made));
      },
    },
    {
      method: 'GET',
      path: `${base}/branch_protections/:name`,
      source: 'repository: GET /repos/{owner}/{repo}/branch_protections/{name}',
      run: (request) => ok(ruleJson(ruleFor(repositoryFor(world, request, 'admin'), request))),
    },
    {
      method: 'PATCH',
      path: `${base}/branch_protections/:name`,
      source: 'repository: PATCH /repos/{owner}/{repo}/branch_protections/{name}',
      body: z.object(RULE),
      run: (request) => {
        const rule = ruleFor(repositoryFor(world, request, 'admin'), request);
        Object.assign(rule.fields, request.body);
        return ok(ruleJson(rule));
      },
    },
    {
      method: 'DELETE',
      path: `${base}/branch_protections/:name`,
      source: 'repository: DELETE /repos/{owner}/{repo}/branch_protections/{name}',
      run: (request) => {
        const repository = repositoryFor(world, request, 'admin');
        const rule = ruleFor(repository, request);
        repository.protections = repository.protections.filter((one) => one !== rule);
        return nothing();
      },
    },
    {
      method: 'GET',
      path: `${base}/releases`,
      source: 'repository: GET /repos/{owner}/{repo}/releases',
      query: z.object({ ...paging, draft: parameter.flag.optional(), 'pre-release': parameter.flag.optional() }),
      run: (request) => {
        const repository = repositoryFor(world, request);
        return paged(world, request, [...repository.releases].reverse(), (one) => releaseJson(world, repository, one));
      },
    },
    {
      method: 'POST',
      path: `${base}/releases`,
      source: 'repository: POST /repos/{owner}/{repo}/releases',
      body: RELEASE,
      run: createRelease,
    },
    oneRelease(`${base}/releases/latest`, (repository) => published(repository).find((one) => !one.prerelease)),
    oneRelease(`${base}/releases/tags/:tag`, (repository, request) =>
      published(repository).find((one) => one.tag === request.params.tag),
    ),
    oneRelease(`${base}/releases/:id`, releaseFor),
    {
      method: 'PATCH',
      path: `${base}/releases/:id`,
      source: 'repository: PATCH /repos/{owner}/{repo}/releases/{id}',
      body: RELEASE,
      run: editRelease,
    },
    {
      method: 'DELETE',
      path: `${base}/releases/:id`,
      source: 'repository: DELETE /repos/{owner}/{repo}/releases/{id}',
      run: (request) => {
        const repository = repositoryFor(world, request, 'write');
        const release = releaseFor(repository, request);
        repository.releases = repository.releases.filter((one) => one !== release);
        tellRelease(world, repository, release, doer(request).login, 'deleted');
        return nothing();
      },
    },
  ];
}
