/** The repository and its Git objects of the forge in memory. */
import { notFound } from '../../../src/forges/kit/route.js';
import { checkRun, checkSuite } from '../../../src/forges/kit/shapes/check.js';
import { gitCommit } from '../../../src/forges/kit/shapes/commit.js';
import { simplePullRequest } from '../../../src/forges/kit/shapes/pull-request.js';
import { repository } from '../../../src/forges/kit/shapes/repository.js';
import { combinedStatus, commitStatus } from '../../../src/forges/kit/shapes/status.js';
import { PAGES, type Rows, repo, row } from './row.js';
import { base, type Commit, fail, OWNER, REPO, repositoryInput, sha, type Tree, type World } from './world.js';

export function gitRows(world: World): Rows {
  const { w, id, shapeCommit, treeSha, addCommit, atRef, failRoute, pull, strings, pageOf } = world;
  return {
    [`GET ${repo}`]: row('', (p) =>
      p.owner === OWNER && p.repo === REPO ? repository(base, repositoryInput) : failRoute(404, 'Not Found'),
    ),
    [`GET ${repo}/branches`]: row(`protected ${PAGES}`, (p) => {
      const names = [...w.refs.keys()].filter((one) => one.startsWith('heads/')).map((one) => one.slice(6));
      const shown = names.filter((one) => p.protected !== true || w.protection.has(one));
      return pageOf(shown, p).map((name) => ({
        name,
        commit: { sha: w.refs.get(`heads/${name}`) },
        protected: w.protection.has(name),
      }));
    }),
    [`GET ${repo}/branches/{branch}/protection`]: row(
      '',
      (p) => w.protection.get(String(p.branch)) ?? failRoute(404, 'Branch not protected'),
    ),
    [`GET ${repo}/tags`]: row(PAGES, (p) =>
      pageOf(
        [...w.refs.keys()].filter((one) => one.startsWith('tags/')),
        p,
      ).map((name) => ({ name: name.slice(5), commit: { sha: w.refs.get(name) } })),
    ),
    [`GET ${repo}/commits`]: row(`sha path since until ${PAGES}`, (p) => {
      const all = p.sha === w.history[0] ? w.history.map((one) => atRef(one)) : [atRef(p.sha)];
      const date = (one: Commit) => one.author.date;
      const kept = all.filter(
        (one) =>
          (p.since === undefined || date(one) >= String(p.since)) &&
          (p.path === undefined || one.tree.has(String(p.path))),
      );
      return pageOf(kept, p).map(shapeCommit);
    }),
    [`GET ${repo}/commits/{ref}`]: row('', (p) => shapeCommit(atRef(p.ref))),
    [`GET ${repo}/commits/{commit_sha}/pulls`]: row(PAGES, (p) =>
      pageOf(w.pullsOfCommit.get(String(p.commit_sha)) ?? [], p).map((number) => simplePullRequest(base, pull(number))),
    ),
    [`GET ${repo}/commits/{ref}/status`]: row('', (p) =>
      combinedStatus(
        base,
        repository(base, repositoryInput),
        String(p.ref),
        (w.statuses.get(String(p.ref)) ?? []).map((one) => commitStatus(base, OWNER, REPO, one)),
      ),
    ),
    [`GET ${repo}/commits/{ref}/check-runs`]: row(PAGES, (p) => {
      const all = w.runs.get(String(p.ref)) ?? [];
      return { total_count: all.length, check_runs: pageOf(all, p).map((one) => checkRun(base, OWNER, REPO, one)) };
    }),
    [`GET ${repo}/commits/{ref}/check-suites`]: row(`app_id check_name ${PAGES}`, (p) => {
      const runs = w.runs.get(String(p.ref)) ?? [];
      const suites = [...new Set(runs.map((one) => one.suiteId))].map((suite) =>
        checkSuite(base, OWNER, REPO, {
          id: suite,
          headSha: String(p.ref),
          headBranch: 'topic',
          status: 'completed',
          conclusion: 'failure',
          app: { id: 21, slug: 'ci', name: 'CI' },
        }),
      );
      return { total_count: suites.length, check_suites: pageOf(suites, p) };
    }),
    [`GET ${repo}/check-suites/{check_suite_id}/check-runs`]: row(`check_name status ${PAGES}`, (p) => {
      const all = [...w.runs.values()].flat().filter((one) => one.suiteId === p.check_suite_id);
      return { total_count: all.length, check_runs: pageOf(all, p).map((one) => checkRun(base, OWNER, REPO, one)) };
    }),
    [`GET ${repo}/contents/{path}`]: row('ref', (p) => {
      const { tree } = atRef(p.ref ?? 'HEAD');
      const path = String(p.path);
      const found = tree.get(path);
      const entry = (name: string, type: string, own: string) => ({
        type,
        name: name.split('/').at(-1),
        path: name,
        sha: own,
      });
      if (found !== undefined)
        return {
          ...entry(path, 'file', sha(found.content.toString('hex'))),
          size: found.content.length,
          encoding: 'base64',
          content: found.content.toString('base64'),
        };
      const below = [...tree.keys()].filter((one) => path === '' || one.startsWith(`${path}/`));
      if (below.length === 0) throw notFound();
      const names = new Set(below.map((one) => one.slice(path === '' ? 0 : path.length + 1).split('/')[0] ?? ''));
      return [...names].map((name) => {
        const whole = path === '' ? name : `${path}/${name}`;
        const blob = tree.get(whole);
        return blob === undefined
          ? entry(whole, 'dir', sha(`tree ${whole}`))
          : entry(whole, 'file', sha(blob.content.toString('hex')));
      });
    }),
    [`PUT ${repo}/contents/{path}`]: row('message content branch sha', (p) => {
      const head = atRef(p.branch);
      const tree: Tree = new Map(head.tree);
      tree.set(String(p.path), { mode: '100644', content: Buffer.from(String(p.content), 'base64') });
      const made = addCommit(`contents ${id()}`, { message: String(p.message), parents: [head.sha], tree });
      w.refs.set(`heads/${p.branch}`, made);
      return { content: {}, commit: { sha: made } };
    }),
    [`GET ${repo}/git/ref/{ref}`]: row('', (p) => {
      const found = w.refs.get(String(p.ref));
      if (found === undefined) throw notFound();
      return { ref: `refs/${p.ref}`, object: { sha: found, type: 'commit' } };
    }),
    [`POST ${repo}/git/refs`]: row('ref sha', (p) => {
      const name = String(p.ref).replace(/^refs\//, '');
      if (!String(p.ref).startsWith('refs/') || w.refs.has(name)) return failRoute(422, 'Reference already exists');
      w.refs.set(name, String(p.sha));
      return { ref: p.ref, object: { sha: p.sha, type: 'commit' } };
    }),
    [`PATCH ${repo}/git/refs/{ref}`]: row('sha force', (p) => {
      const made = atRef(p.sha);
      const now = w.refs.get(String(p.ref)) ?? '';
      if (p.force !== true && made.parents?.includes(now) !== true)
        return failRoute(422, 'Update is not a fast forward');
      w.refs.set(String(p.ref), made.sha);
      return { ref: `refs/${p.ref}`, object: { sha: made.sha, type: 'commit' } };
    }),
    [`DELETE ${repo}/git/refs/{ref}`]: row('', (p) =>
      w.refs.delete(String(p.ref)) ? undefined : failRoute(422, 'Reference does not exist'),
    ),
    [`GET ${repo}/git/commits/{commit_sha}`]: row('', (p) => {
      const of = atRef(p.commit_sha);
      return gitCommit(base, OWNER, REPO, { ...of, treeSha: treeSha(of.tree) });
    }),
    [`GET ${repo}/git/trees/{tree_sha}`]: row('recursive', (p) => {
      const tree = w.trees.get(String(p.tree_sha)) ?? failRoute(404, 'Not Found');
      const files = [...tree].map(([path, one]) => ({
        path,
        mode: one.mode,
        type: 'blob',
        sha: sha(one.content.toString('hex')),
        size: one.content.length,
      }));
      const folders = new Set(files.flatMap(({ path }) => (path.includes('/') ? (path.split('/')[0] ?? '') : [])));
      const trees = [...folders].map((path) => ({ path, mode: '040000', type: 'tree', sha: sha(`tree ${path}`) }));
      const top = [...files.filter(({ path }) => !path.includes('/')), ...trees];
      return { sha: p.tree_sha, truncated: false, tree: p.recursive === undefined ? top : [...files, ...trees] };
    }),
    [`GET ${repo}/git/blobs/{file_sha}`]: row('', (p) => {
      const content = w.blobs.get(String(p.file_sha)) ?? failRoute(404, 'Not Found');
      return { sha: p.file_sha, size: content.length, encoding: 'base64', content: content.toString('base64') };
    }),
    [`POST ${repo}/git/blobs`]: row('content encoding', (p) => {
      if (p.encoding !== 'base64') fail('expected Base64');
      const content = Buffer.from(String(p.content), 'base64');
      w.blobs.set(sha(content.toString('hex')), content);
      return { sha: sha(content.toString('hex')) };
    }),
    [`POST ${repo}/git/trees`]: row('base_tree tree', (p) => {
      const tree: Tree = new Map(w.trees.get(String(p.base_tree)) ?? fail('no base tree'));
      for (const one of p.tree as { path: string; mode: string; sha: string | null }[]) {
        if (one.sha === null) tree.delete(one.path);
        else tree.set(one.path, { mode: one.mode, content: w.blobs.get(one.sha) ?? fail('no such blob') });
      }
      return { sha: treeSha(tree) };
    }),
    [`POST ${repo}/git/commits`]: row('message tree parents', (p) => {
      const tree = w.trees.get(String(p.tree)) ?? fail('no such tree');
      return { sha: addCommit(`made ${id()}`, { message: String(p.message), parents: strings(p.parents), tree }) };
    }),
    [`POST ${repo}/merges`]: row('base head commit_message', (p) => {
      const made = addCommit(`merge ${id()}`, {
        message: String(p.commit_message),
        parents: [atRef(p.base).sha, atRef(p.head).sha],
      });
      w.refs.set(`heads/${p.base}`, made);
      return shapeCommit(atRef(made));
    }),
  };
}
