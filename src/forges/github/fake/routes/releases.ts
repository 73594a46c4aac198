/** Releases and the tags that they make. */
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  field,
  holderOf,
  invalid,
  mayIn,
  notFound,
  nothing,
  ok,
  pageOf,
  refuse,
  repositoryFor,
  row,
} from '../answers.js';
import { NO_COMMIT } from '../git-json.js';
import { refMoved } from '../happenings.js';
import { assetJson, releaseJson } from '../present.js';
import type { Release, ReleaseAsset, Repository } from '../state.js';
import type { World } from '../world.js';

const RELEASE = z.looseObject({
  tag_name: field.text,
  target_commitish: field.text,
  name: field.nullable,
  body: field.nullable,
  draft: field.flag,
  prerelease: field.flag,
});

const ASSET = z.looseObject({ name: field.text, label: field.nullable });

export function releaseRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const repo = 'repos/{owner}/{repo}';
  const reading = (request: FakeRequest) => repositoryFor(world, request, 'read', 'contents');
  const writing = (request: FakeRequest) => repositoryFor(world, request, 'write', 'contents');
  const releaseAt = (repository: Repository, request: FakeRequest): Release =>
    repository.releases.find(({ id }) => String(id) === request.params.release_id) ?? notFound();
  const newestFirst = (repository: Repository) => repository.releases.toReversed();
  const tell = (repository: Repository, release: Release, login: string, action: string, more: object = {}) =>
    world.emit(repository, 'release', login, { action, release: releaseJson(world, repository, release), ...more });

  /** Makes its tag, unless it is there, and says that it is out. */
  async function publish(repository: Repository, release: Release, login: string): Promise<void> {
    const ref = `refs/tags/${release.tag}`;
    if ((await repository.git.resolve(ref)) === undefined) {
      const sha = (await repository.git.resolve(release.target)) ?? invalid('Release', 'target_commitish', 'invalid');
      await repository.git.setRef(ref, sha);
      await refMoved(world, repository, login, ref, NO_COMMIT, sha);
    }
    release.draft = false;
    release.published = state.now();
    tell(repository, release, login, 'published');
    tell(repository, release, login, release.prerelease ? 'prereleased' : 'released');
  }

  function checkTag(repository: Repository, tag: string, own?: Release): void {
    if (tag.trim() === '') invalid('Release', 'tag_name', 'missing_field');
    const twin = repository.releases.find((other) => other !== own && other.tag === tag && !other.draft);
    if (twin !== undefined) invalid('Release', 'tag_name', 'already_exists');
  }

  async function create(request: FakeRequest) {
    const repository = writing(request);
    const body = request.body as z.infer<typeof RELEASE>;
    const { login } = doer(request);
    checkTag(repository, body.tag_name ?? '');
    const release: Release = {
      id: state.nextId(),
      tag: body.tag_name ?? '',
      target: body.target_commitish ?? repository.defaultBranch,
      name: body.name ?? '',
      body: body.body ?? '',
      draft: true,
      prerelease: body.prerelease ?? false,
      author: login,
      created: state.now(),
      published: null,
      assets: [],
    };
    repository.releases.push(release);
    tell(repository, release, login, 'created');
    if (body.draft !== true) await publish(repository, release, login);
    return created(releaseJson(world, repository, release));
  }

  async function change(request: FakeRequest) {
    const repository = writing(request);
    const release = releaseAt(repository, request);
    const body = request.body as z.infer<typeof RELEASE>;
    const { login } = doer(request);
    if (body.tag_name !== undefined) checkTag(repository, body.tag_name, release);
    const before = { name: release.name, body: release.body };
    release.tag = body.tag_name ?? release.tag;
    release.target = body.target_commitish ?? release.target;
    release.name = body.name ?? release.name;
    release.body = body.body ?? release.body;
    release.prerelease = body.prerelease ?? release.prerelease;
    const changes = {
      ...(before.name !== release.name && { name: { from: before.name } }),
      ...(before.body !== release.body && { body: { from: before.body } }),
    };
    if (Object.keys(changes).length > 0) tell(repository, release, login, 'edited', { changes });
    if (release.draft && body.draft === false) await publish(repository, release, login);
    return ok(releaseJson(world, repository, release));
  }

  const assetAt = (repository: Repository, request: FakeRequest): { release: Release; asset: ReleaseAsset } => {
    for (const release of repository.releases)
      for (const asset of release.assets) if (String(asset.id) === request.params.asset_id) return { release, asset };
    return notFound();
  };

  function named(release: Release, name: string, own?: ReleaseAsset): string {
    if (name === '') return invalid('ReleaseAsset', 'name', 'missing_field');
    if (release.assets.some((other) => other !== own && other.name === name))
      return invalid('ReleaseAsset', 'name', 'already_exists');
    return name;
  }

  function upload(request: FakeRequest) {
    const repository = writing(request);
    const release = releaseAt(repository, request);
    if (request.raw.length === 0) return refuse(400, 'Bad Content-Length');
    const asset: ReleaseAsset = {
      id: state.nextId(),
      name: named(release, request.query.get('name') ?? ''),
      label: request.query.get('label'),
      contentType: request.headers.get('content-type') ?? 'application/octet-stream',
      bytes: request.raw,
      uploader: doer(request).login,
      created: state.now(),
    };
    release.assets.push(asset);
    return created(assetJson(world, repository, release, asset));
  }

  function renameAsset(request: FakeRequest) {
    const repository = writing(request);
    const { release, asset } = assetAt(repository, request);
    const body = request.body as z.infer<typeof ASSET>;
    if (body.name !== undefined) asset.name = named(release, body.name, asset);
    if (body.label !== undefined) asset.label = body.label;
    return ok(assetJson(world, repository, release, asset));
  }

  return [
    row(`GET /${repo}/releases/{release_id}/assets`, (request) => {
      const repository = reading(request);
      const release = releaseAt(repository, request);
      return pageOf(world, request, release.assets, (asset) => assetJson(world, repository, release, asset));
    }),
    row(`POST /${repo}/releases/{release_id}/assets`, upload, { body: z.unknown(), file: true }),
    row(`GET /${repo}/releases/assets/{asset_id}`, (request) => {
      const repository = reading(request);
      const { release, asset } = assetAt(repository, request);
      return request.headers.get('accept') === 'application/octet-stream'
        ? { body: asset.bytes, contentType: asset.contentType }
        : ok(assetJson(world, repository, release, asset));
    }),
    row(`PATCH /${repo}/releases/assets/{asset_id}`, renameAsset, { body: ASSET }),
    row(`DELETE /${repo}/releases/assets/{asset_id}`, (request) => {
      const { release, asset } = assetAt(writing(request), request);
      release.assets = release.assets.filter((one) => one !== asset);
      return nothing();
    }),
    row(`GET /${repo}/releases`, (request) => {
      const repository = reading(request);
      const seesDrafts = mayIn(world, repository, holderOf(request), 'contents', 'write');
      const all = newestFirst(repository).filter(({ draft }) => !draft || seesDrafts);
      return pageOf(world, request, all, (release) => releaseJson(world, repository, release));
    }),
    row(`POST /${repo}/releases`, create, { body: RELEASE }),
    row(`GET /${repo}/releases/latest`, (request) => {
      const repository = reading(request);
      const latest = newestFirst(repository).find(({ draft, prerelease }) => !draft && !prerelease);
      return ok(releaseJson(world, repository, latest ?? notFound()));
    }),
    row(`GET /${repo}/releases/tags/{tag}`, (request) => {
      const repository = reading(request);
      const found = repository.releases.find(({ tag, draft }) => tag === request.params.tag && !draft);
      return ok(releaseJson(world, repository, found ?? notFound()));
    }),
    row(`GET /${repo}/releases/{release_id}`, (request) => {
      const repository = reading(request);
      return ok(releaseJson(world, repository, releaseAt(repository, request)));
    }),
    row(`PATCH /${repo}/releases/{release_id}`, change, { body: RELEASE }),
    row(`DELETE /${repo}/releases/{release_id}`, (request) => {
      const repository = writing(request);
      const release = releaseAt(repository, request);
      repository.releases = repository.releases.filter((other) => other !== release);
      tell(repository, release, doer(request).login, 'deleted');
      return nothing();
    }),
  ];
}
