/** Labels and description of a repository are what `.github/settings.yml` on its default branch says. */
import type { Context, Probot } from 'probot';

const FILE = 'settings.yml';
const ISSUE = 'The settings of this repository cannot be applied';

interface WantedLabel {
  name: string;
  color?: string;
  description?: string;
  /** The label that becomes this one. */
  oldname?: string;
}

interface Settings {
  repository?: { description?: string };
  labels?: WantedLabel[];
}

type Push = Context<'push'>;
type Present = { name: string; color: string; description: string | null };

const color = (label: WantedLabel) => (label.color ?? 'ededed').replace('#', '').toLowerCase();

const isTouched = ({ payload }: Push): boolean =>
  payload.ref === `refs/heads/${payload.repository.default_branch}` &&
  payload.commits.some(({ added, modified }) => [...(added ?? []), ...(modified ?? [])].includes(`.github/${FILE}`));

/** One label; answers what went wrong. */
async function apply(context: Push, label: WantedLabel, present: readonly Present[]): Promise<string | undefined> {
  const { issues } = context.octokit.rest;
  const is = (name: string | undefined) => present.find((one) => one.name === name);
  const fields = { color: color(label), description: label.description ?? '' };
  const old = is(label.name) ?? is(label.oldname);
  try {
    if (old === undefined) await issues.createLabel(context.repo({ name: label.name, ...fields }));
    else if (
      old.name !== label.name ||
      old.color.toLowerCase() !== fields.color ||
      (old.description ?? '') !== fields.description
    )
      await issues.updateLabel(context.repo({ name: old.name, new_name: label.name, ...fields }));
    return undefined;
  } catch (error) {
    const { status, message } = error as { status?: number; message: string };
    if (status !== 422) throw error;
    context.log.warn(`${label.name}: ${message}`);
    return `- \`${label.name}\` was refused`;
  }
}

async function syncLabels(context: Push, wanted: readonly WantedLabel[]): Promise<string[]> {
  const { octokit } = context;
  const present = await octokit.paginate(octokit.rest.issues.listLabelsForRepo, context.repo());
  const problems: string[] = [];
  for (const label of wanted) {
    const problem = await apply(context, label, present);
    if (problem !== undefined) problems.push(problem);
  }
  const kept = new Set(wanted.flatMap(({ name, oldname }) => [name, oldname]));
  for (const { name } of present) if (!kept.has(name)) await octokit.rest.issues.deleteLabel(context.repo({ name }));
  return problems;
}

/** One issue tells of it, which is closed as soon as all is well. */
async function report(context: Push, problems: readonly string[]): Promise<void> {
  const { octokit } = context;
  const open = await octokit.paginate(octokit.rest.issues.listForRepo, context.repo({ state: 'open' as const }));
  const told = open.find(({ title }) => title === ISSUE);
  const body = `See \`.github/${FILE}\`:\n\n${problems.join('\n')}`;
  if (problems.length === 0) {
    if (told) await octokit.rest.issues.update(context.repo({ issue_number: told.number, state: 'closed' as const }));
  } else if (told) await octokit.rest.issues.update(context.repo({ issue_number: told.number, body }));
  else await octokit.rest.issues.create(context.repo({ title: ISSUE, body }));
}

async function synchronise(context: Push): Promise<void> {
  if (!isTouched(context)) return;
  let settings: Settings;
  try {
    settings = (await context.config<Settings>(FILE)) ?? {};
  } catch (error) {
    if ((error as { status?: number }).status !== undefined) throw error;
    await report(context, ['- It is no YAML']);
    return;
  }
  const { repository, labels } = settings;
  if (repository?.description !== undefined)
    await context.octokit.rest.repos.update(context.repo({ description: repository.description }));
  await report(context, labels === undefined ? [] : await syncLabels(context, labels));
}

export default (app: Probot): void => {
  app.on('push', synchronise);
};
