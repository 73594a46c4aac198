'use strict';
/** Proposes a table of contents, `docs/index.md`, as a pull request of its own whenever the pages change. */

const BRANCH = 'docs-index';
const INDEX = 'docs/index.md';
const TITLE = 'Update the table of contents';

/** First heading of a page, or its file name. */
const headingOf = (text, path) => /^#\s+(.+)$/m.exec(text)?.[1].trim() ?? path.split('/').at(-1).replace(/\.md$/, '');

async function readBlob(context, file_sha) {
  const { data } = await context.octokit.rest.git.getBlob(context.repo({ file_sha }));
  return Buffer.from(data.content, data.encoding === 'base64' ? 'base64' : 'utf8').toString('utf8');
}

/** Text of the index as it should be, and as it is. */
async function indexOf(context, tree_sha) {
  const { data } = await context.octokit.rest.git.getTree(context.repo({ tree_sha, recursive: '1' }));
  const files = data.tree.filter(({ type, path }) => type === 'blob' && /^docs\/.+\.md$/.test(path));
  const pages = files.filter(({ path }) => path !== INDEX).toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const lines = [];
  for (const { path, sha } of pages)
    lines.push(`- [${headingOf(await readBlob(context, sha), path)}](${path.slice('docs/'.length)})`);
  const present = files.find(({ path }) => path === INDEX);
  return {
    wanted: `# Contents\n\n${lines.join('\n')}\n`,
    present: present && (await readBlob(context, present.sha)),
    isEmpty: pages.length === 0,
  };
}

/** A commit on top of `parent` with the index in it. */
async function commit(context, parent, text) {
  const { git } = context.octokit.rest;
  const { data: blob } = await git.createBlob(
    context.repo({ content: Buffer.from(text).toString('base64'), encoding: 'base64' }),
  );
  const { data: tree } = await git.createTree(
    context.repo({ base_tree: parent.tree.sha, tree: [{ path: INDEX, mode: '100644', type: 'blob', sha: blob.sha }] }),
  );
  const { data: made } = await git.createCommit(
    context.repo({ message: `docs: ${TITLE.toLowerCase()}`, tree: tree.sha, parents: [parent.sha] }),
  );
  return made.sha;
}

/** Points the branch at the commit, whether it is there or not. */
async function moveBranch(context, sha) {
  const { git } = context.octokit.rest;
  try {
    await git.createRef(context.repo({ ref: `refs/heads/${BRANCH}`, sha }));
  } catch (error) {
    if (error.status !== 422) throw error;
    await git.updateRef(context.repo({ ref: `heads/${BRANCH}`, sha, force: true }));
  }
}

async function propose(context, base) {
  const { pulls } = context.octokit.rest;
  const body = 'Pages were added, renamed or removed.';
  try {
    await pulls.create(context.repo({ title: TITLE, head: BRANCH, base, body }));
  } catch (error) {
    // It is open already, and shows the new commit.
    if (error.status !== 422) throw error;
  }
}

module.exports = (app) => {
  app.on('push', async (context) => {
    const { ref, after, repository, commits } = context.payload;
    const base = repository.default_branch;
    const paths = commits.flatMap(({ added = [], modified = [], removed = [] }) => [...added, ...modified, ...removed]);
    if (ref !== `refs/heads/${base}` || !paths.some((path) => path.startsWith('docs/') && path !== INDEX)) return;
    const { data: head } = await context.octokit.rest.git.getCommit(context.repo({ commit_sha: after }));
    const { wanted, present, isEmpty } = await indexOf(context, head.tree.sha);
    if (isEmpty || wanted === present) return;
    await moveBranch(context, await commit(context, head, wanted));
    await propose(context, base);
  });
};
