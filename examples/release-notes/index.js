/** Keeps a draft release that lists what was merged since the last one; `/publish` publishes it. */

const DEFAULTS = {
  categories: [
    { title: 'New', labels: ['feature'] },
    { title: 'Fixed', labels: ['bug'] },
  ],
  template: '$changes',
};

/** Of the last release, or undefined before the first. */
async function lastRelease(context) {
  try {
    return (await context.octokit.rest.repos.getLatestRelease(context.repo())).data;
  } catch (error) {
    if (error.status === 404) return undefined;
    throw error;
  }
}

async function draftOf(context) {
  const { octokit } = context;
  const releases = await octokit.paginate(octokit.rest.repos.listReleases, context.repo());
  return releases.find(({ draft }) => draft);
}

const nextTag = (last) => {
  const [, number] = /^v(\d+)$/.exec(last?.tag_name ?? '') ?? [];
  return `v${Number(number ?? 0) + 1}`;
};

function write(pulls, { categories, template }) {
  const line = ({ title, number, user }) => `- ${title} (#${number}) by ${user.login}`;
  const has = (pull, labels) => pull.labels.some(({ name }) => labels.includes(name));
  const sections = categories.map(({ title, labels }) => ({ title, of: pulls.filter((pull) => has(pull, labels)) }));
  const other = pulls.filter((pull) => !categories.some(({ labels }) => has(pull, labels)));
  const changes = [...sections, { title: 'Other', of: other }]
    .filter(({ of }) => of.length > 0)
    .map(({ title, of }) => `## ${title}\n\n${of.map(line).join('\n')}`)
    .join('\n\n');
  return template.replace('$changes', changes || 'Nothing was merged.');
}

async function update(context) {
  const { octokit } = context;
  const { repository, ref } = context.payload;
  const base = repository.default_branch;
  if (ref !== `refs/heads/${base}`) return;
  const config = await context.config('release-notes.yml', DEFAULTS);
  const last = await lastRelease(context);
  const closed = await octokit.paginate(octokit.rest.pulls.list, context.repo({ state: 'closed', base }));
  const since = Date.parse(last?.published_at ?? 0);
  const merged = closed
    .filter(({ merged_at: at }) => at && Date.parse(at) > since)
    .toSorted((a, b) => a.number - b.number);
  const tag = nextTag(last);
  const fields = { tag_name: tag, name: tag, body: write(merged, config), target_commitish: base };
  const draft = await draftOf(context);
  if (draft) await octokit.rest.repos.updateRelease(context.repo({ release_id: draft.id, ...fields }));
  else await octokit.rest.repos.createRelease(context.repo({ ...fields, draft: true }));
}

async function publish(context) {
  if (context.payload.comment.body.trim() !== '/publish') return;
  const draft = await draftOf(context);
  if (draft) await context.octokit.rest.repos.updateRelease(context.repo({ release_id: draft.id, draft: false }));
  const body = draft ? `Published ${draft.tag_name}.` : 'There is nothing to publish.';
  await context.octokit.rest.issues.createComment(context.issue({ body }));
}

export default (app) => {
  app.on('push', update);
  app.on('issue_comment.created', publish);
};
