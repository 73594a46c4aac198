/** Git's own objects: blobs, trees, commits, refs, tags. */
import { z } from 'zod';
import { git, gitText } from '../../../kit/fake/git-process.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { gitTag } from '../../../kit/shapes/git-tag.js';
import { nodeId } from '../../../kit/shapes/node-id.js';
import { apiOf } from '../../../kit/shapes/repository.js';
import {
  created,
  doer,
  field,
  invalid,
  notFound,
  nothing,
  ok,
  pageOf,
  refuse,
  repositoryFor,
  row,
} from '../answers.js';
import { gitCommitJson, NO_COMMIT, refJson } from '../git-json.js';
import { refMoved } from '../happenings.js';
import type { Repository } from '../state.js';
import type { World } from '../world.js';

const person = z.looseObject({ name: z.string(), email: z.string(), date: field.text }).optional();
const TAG = z.looseObject({
  tag: field.text,
  message: field.text,
  object: field.text,
  type: field.text,
  tagger: person,
});
const BLOB = z.looseObject({ content: field.text, encoding: field.text });
const TREE = z.looseObject({
  base_tree: field.text,
  tree: z
    .array(
      z.looseObject({
        path: z.string(),
        mode: z.string(),
        type: field.text,
        sha: field.nullable,
        content: field.text,
      }),
    )
    .optional(),
});
const COMMIT = z.looseObject({
  message: field.text,
  tree: field.text,
  parents: field.texts,
  author: person,
  committer: person,
});
const REF = z.looseObject({ ref: field.text, sha: field.text, force: field.flag });

export function gitRoutes(world: World): FakeRoute[] {
  const repo = 'repos/{owner}/{repo}';
  const reading = (request: FakeRequest) => repositoryFor(world, request, 'read', 'contents');
  const writing = (request: FakeRequest) => repositoryFor(world, request, 'write', 'contents');
  const api = (repository: Repository) => `${apiOf(world.base, repository.owner, repository.name)}/git`;

  const writeBlob = async (repository: Repository, content: Buffer): Promise<string> =>
    gitText(repository.git.directory, ['hash-object', '-w', '--stdin'], { input: content });

  async function createBlob(request: FakeRequest) {
    const repository = writing(request);
    const { content = '', encoding = 'utf-8' } = request.body as z.infer<typeof BLOB>;
    const sha = await writeBlob(repository, Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8'));
    return created({ sha, url: `${api(repository)}/blobs/${sha}` });
  }

  async function readBlob(request: FakeRequest) {
    const repository = reading(request);
    const { file_sha: sha = '' } = request.params;
    const content = (await repository.git.readBlob(sha)) ?? notFound();
    const encoded = content.toString('base64').replace(/.{60}(?=.)/g, '$&\n');
    const url = `${api(repository)}/blobs/${sha}`;
    return ok({ sha, node_id: nodeId('Blob', sha), size: content.length, url, content: encoded, encoding: 'base64' });
  }

  async function treeJson(repository: Repository, name: string, recursive: boolean) {
    const sha = (await repository.git.readCommit(await resolved(repository, name)))?.tree ?? name;
    const entries = (await repository.git.readTree(sha, '', recursive)) ?? notFound();
    const tree = entries.map(({ path, mode, type, sha: own, size }) => ({
      path,
      mode,
      type,
      sha: own,
      ...(size !== undefined && { size }),
      url: `${api(repository)}/${type === 'tree' ? 'trees' : 'blobs'}/${own}`,
    }));
    return { sha, url: `${api(repository)}/trees/${sha}`, tree, truncated: false };
  }
  const resolved = async (repository: Repository, name: string): Promise<string> =>
    (await repository.git.resolve(name)) ?? name;

  /** With an index of its own, which is what git makes trees of. */
  async function createTree(request: FakeRequest) {
    const repository = writing(request);
    const { base_tree: base, tree = [] } = request.body as z.infer<typeof TREE>;
    if (tree.length === 0) return invalid('Tree', 'tree', 'missing_field');
    const { directory } = repository.git;
    const environment = { GIT_INDEX_FILE: `${directory}/index-${world.state.nextId()}` };
    if (base !== undefined) {
      if ((await repository.git.readTree(await resolved(repository, base))) === undefined)
        return refuse(422, 'base_tree is not a valid tree oid');
      await git(directory, ['read-tree', base], { environment });
    }
    const lines: string[] = [];
    for (const { path, mode, sha, content } of tree) {
      if (/(^|\/)(\.{0,2}|\.git)(\/|$)/i.test(path))
        return refuse(422, 'tree.path contains a malformed path component');
      const isThere = async (name: string) =>
        (await repository.git.readBlob(name)) !== undefined || (await repository.git.readTree(name)) !== undefined;
      if (content === undefined && sha && mode !== '160000' && !(await isThere(sha)))
        return refuse(422, `tree.sha ${sha} is not a valid blob`);
      const own = content === undefined ? sha : await writeBlob(repository, Buffer.from(content));
      if (mode === '040000' && own) {
        await git(directory, ['read-tree', `--prefix=${path}/`, own], { environment });
        continue;
      }
      // A mode of zero takes the path away.
      lines.push(own === null || own === undefined ? `0 ${NO_COMMIT}\t${path}` : `${mode} ${own}\t${path}`);
    }
    await git(directory, ['update-index', '-z', '--index-info'], { environment, input: `${lines.join('\0')}\0` });
    const sha = await gitText(directory, ['write-tree'], { environment });
    return created(await treeJson(repository, sha, false));
  }

  async function createCommit(request: FakeRequest) {
    const repository = writing(request);
    const body = request.body as z.infer<typeof COMMIT>;
    const { message = '', tree = '', parents = [] } = body;
    if (message === '') return invalid('Commit', 'message', 'missing_field');
    if ((await repository.git.readTree(tree)) === undefined) return refuse(422, 'Tree SHA does not exist');
    for (const parent of parents)
      if ((await repository.git.readCommit(parent)) === undefined)
        return refuse(422, `Parent SHA does not exist or is not a commit object`);
    const { login, email } = doer(request);
    const author = body.author ?? body.committer ?? { name: login, email };
    const committer = body.committer ?? author;
    const dated = ({ date }: { date?: string }) => date ?? world.state.now();
    const sha = await gitText(
      repository.git.directory,
      ['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent])],
      {
        input: message,
        environment: {
          GIT_AUTHOR_NAME: author.name,
          GIT_AUTHOR_EMAIL: author.email,
          GIT_AUTHOR_DATE: dated(author),
          GIT_COMMITTER_NAME: committer.name,
          GIT_COMMITTER_EMAIL: committer.email,
          GIT_COMMITTER_DATE: dated(committer),
        },
      },
    );
    return created(await gitCommitJson(world, repository, sha));
  }

  const refs = async (repository: Repository, prefix: string) =>
    (await repository.git.refs()).filter(({ ref }) => ref.startsWith(`refs/${prefix}`));

  async function createRef(request: FakeRequest) {
    const repository = writing(request);
    const { ref = '', sha = '' } = request.body as z.infer<typeof REF>;
    if (!/^refs\/(heads|tags)\/./.test(ref))
      return refuse(422, "Reference name must start with 'refs/heads/' or 'refs/tags/'.");
    const commit = (await repository.git.resolve(sha)) ?? refuse(422, 'Object does not exist');
    if ((await repository.git.resolve(ref)) !== undefined) return refuse(422, 'Reference already exists');
    await repository.git.setRef(ref, sha);
    await refMoved(world, repository, doer(request).login, ref, NO_COMMIT, commit);
    return created(refJson(world, repository, ref, sha, commit === sha ? 'commit' : 'tag'));
  }

  const tagJson = async (repository: Repository, sha: string) => {
    const found = (await repository.git.readTag(sha)) ?? notFound();
    const { name, message, target, tagger } = found;
    const date = tagger.date ?? '';
    const input = { sha, name, message, object: target, type: 'commit', tagger: { ...tagger, date } };
    return gitTag(world.base, repository.owner, repository.name, input);
  };

  async function createTag(request: FakeRequest) {
    const repository = writing(request);
    const { tag = '', message = '', object = '', type = 'commit', tagger } = request.body as z.infer<typeof TAG>;
    if (tag === '') return invalid('Tag', 'tag', 'missing_field');
    if ((await repository.git.resolve(object)) === undefined) return refuse(422, 'Object does not exist');
    const by = tagger ?? { name: doer(request).login, email: `${doer(request).login}@noreply.github.test` };
    const seconds = Math.floor(Date.parse(tagger?.date ?? world.state.now()) / 1_000);
    const text = `object ${object}\ntype ${type}\ntag ${tag}\ntagger ${by.name} <${by.email}> ${seconds} +0000\n\n${message}\n`;
    const sha = (await gitText(repository.git.directory, ['mktag'], { input: text })).trim();
    return created(await tagJson(repository, sha));
  }

  async function updateRef(request: FakeRequest) {
    const repository = writing(request);
    const ref = `refs/${request.params.ref}`;
    const { sha = '', force = false } = request.body as z.infer<typeof REF>;
    const before = (await repository.git.resolve(ref)) ?? refuse(422, 'Reference does not exist');
    if ((await repository.git.resolve(sha)) === undefined) return refuse(422, 'Object does not exist');
    if (!force && !(await repository.git.isAncestor(before, sha))) return refuse(422, 'Update is not a fast forward');
    await repository.git.setRef(ref, sha);
    await refMoved(world, repository, doer(request).login, ref, before, sha);
    return ok(refJson(world, repository, ref, sha));
  }

  async function deleteRef(request: FakeRequest) {
    const repository = writing(request);
    const ref = `refs/${request.params.ref}`;
    const before = (await repository.git.resolve(ref)) ?? refuse(422, 'Reference does not exist');
    await repository.git.setRef(ref, null);
    await refMoved(world, repository, doer(request).login, ref, before, NO_COMMIT);
    return nothing();
  }

  return [
    row(`POST /${repo}/git/blobs`, createBlob, { body: BLOB }),
    row(`GET /${repo}/git/blobs/{file_sha}`, readBlob),
    row(`POST /${repo}/git/trees`, createTree, { body: TREE }),
    row(`GET /${repo}/git/trees/{+tree_sha}`, async (request) => {
      const recursive = !['', '0', 'false', null].includes(request.query.get('recursive'));
      return ok(await treeJson(reading(request), request.params.tree_sha ?? '', recursive));
    }),
    row(`POST /${repo}/git/commits`, createCommit, { body: COMMIT }),
    row(`GET /${repo}/git/commits/{commit_sha}`, async (request) => {
      const repository = reading(request);
      const sha = (await repository.git.resolve(request.params.commit_sha ?? '')) ?? notFound();
      return ok(await gitCommitJson(world, repository, sha));
    }),
    // Also without a prefix, and at the addresses of before 2019, which old libraries ask for.
    ...['matching-refs', 'matching-refs/{+ref}', 'refs', 'refs/{+ref}'].map((place) =>
      row(`GET /${repo}/git/${place}`, async (request) => {
        const repository = reading(request);
        const prefix = request.params.ref ?? '';
        const all = await refs(repository, prefix);
        if (place.startsWith('refs/')) {
          const exact = all.find(({ ref }) => ref === `refs/${prefix}`);
          if (exact !== undefined) return ok(refJson(world, repository, exact.ref, exact.commit));
          if (all.length === 0) return notFound();
        }
        return pageOf(world, request, all, ({ ref, commit }) => refJson(world, repository, ref, commit));
      }),
    ),
    row(`GET /${repo}/git/ref/{+ref}`, async (request) => {
      const repository = reading(request);
      const name = `refs/${request.params.ref}`;
      const found = (await refs(repository, '')).find(({ ref }) => ref === name) ?? notFound();
      return ok(refJson(world, repository, name, found.commit));
    }),
    row(`POST /${repo}/git/tags`, createTag, { body: TAG }),
    row(`GET /${repo}/git/tags/{tag_sha}`, async (request) =>
      ok(await tagJson(reading(request), request.params.tag_sha ?? '')),
    ),
    row(`POST /${repo}/git/refs`, createRef, { body: REF }),
    row(`PATCH /${repo}/git/refs/{+ref}`, updateRef, { body: REF }),
    row(`DELETE /${repo}/git/refs/{+ref}`, deleteRef),
    row(`GET /${repo}/tags`, async (request) => {
      const repository = reading(request);
      const tags = (await repository.git.refs('refs/tags')).toReversed();
      return pageOf(world, request, tags, ({ ref, commit }) => {
        const name = ref.slice('refs/tags/'.length);
        const root = apiOf(world.base, repository.owner, repository.name);
        return {
          name,
          commit: { sha: commit, url: `${root}/commits/${commit}` },
          zipball_url: `${root}/zipball/${ref}`,
          tarball_url: `${root}/tarball/${ref}`,
          node_id: nodeId('Ref', ref, `${repository.owner}/${repository.name}`),
        };
      });
    }),
    // The real one redirects to where it serves downloads.
    ...(['tarball', 'zipball'] as const).map((kind) =>
      row(`GET /${repo}/${kind}/{+ref}`, async (request) => {
        const repository = reading(request);
        const sha = (await repository.git.resolve(request.params.ref ?? '')) ?? notFound();
        const format = kind === 'zipball' ? 'zip' : 'tar.gz';
        const top = `${repository.owner}-${repository.name}-${sha.slice(0, 7)}/`;
        const body = await git(repository.git.directory, ['archive', `--format=${format}`, `--prefix=${top}`, sha]);
        return { body, contentType: kind === 'zipball' ? 'application/zip' : 'application/x-gzip' };
      }),
    ),
  ];
}
