/**
 * What accounts are to a repository: its owner, a member of the organization that owns it, somebody it was shared with, or
 * somebody of whom a pull request was merged; of many strangers at once only the newest closed ones are looked through.
 *
 * @see https://docs.gitea.com/api/ organization: GET /orgs/{org}/members; repository: GET /repos/{owner}/{repo}/collaborators
 */
import { type AskAssociations, type Author, MOST_SINGLE } from '../kit/associations.js';
import { segment } from '../kit/native-client.js';
import { hasNoAnswer } from '../kit/no-answer.js';
import type { RouteContext } from '../kit/route.js';
import type { Association } from '../kit/shapes/inputs.js';
import { failedWith, idOf, objectOf, objectsOf } from './routes/native.js';
import { everything } from './routes/pages.js';

/** Those of `authors` that stand in a list, of which each member also has an address of its own. */
async function amongst(context: RouteContext, path: string, authors: readonly Author[]): Promise<ReadonlySet<string>> {
  if (authors.length > MOST_SINGLE)
    return new Set((await everything(context, path)).map((native) => String(idOf(objectOf(native)))));
  const found = new Set<string>();
  for (const { id, login } of authors) {
    try {
      await context.native.send('GET', `${path}/${segment(login)}`, { as: 'text' });
      found.add(String(id));
    } catch (error) {
      // Whom the server does not know at all is an invalid request to it. Whoever may not see members is sent on to those that
      // everybody sees, which a proxy may take for elsewhere.
      if (!hasNoAnswer(error) && !failedWith(error, 404, 422)) throw error;
    }
  }
  return found;
}

/** Of closed pull requests; some of them were merged. */
const MOST_CLOSED = 100;

async function contributorsAmong(
  context: RouteContext,
  path: string,
  strangers: readonly Author[],
): Promise<Set<string>> {
  const found = new Set<string>();
  const look = async (query: { created_by?: string }) => {
    const closed = { type: 'pulls', state: 'closed', ...query };
    for (const issue of objectsOf(await everything(context, `${path}/issues`, closed, MOST_CLOSED)))
      if (objectOf(issue.pull_request).merged === true) found.add(String(objectOf(issue.user).id));
  };
  if (strangers.length > MOST_SINGLE) await look({});
  else for (const { login } of strangers) await look({ created_by: login });
  return new Set(strangers.map(({ id }) => String(id)).filter((id) => found.has(id)));
}

export const associations: AskAssociations = async ({ owner, repo }, authors, context) => {
  const told = new Map<string, Association>();
  const others = authors.filter(({ login }) => login.toLowerCase() !== owner.toLowerCase());
  for (const author of authors) if (!others.includes(author)) told.set(String(author.id), 'OWNER');
  if (others.length === 0) return told;
  const isOrganization = (await context.native.find(`/orgs/${segment(owner)}`)) !== undefined;
  const members: ReadonlySet<string> = isOrganization
    ? await amongst(context, `/orgs/${segment(owner)}/members`, others)
    : new Set();
  for (const id of members) told.set(id, 'MEMBER');
  const rest = others.filter(({ id }) => !members.has(String(id)));
  if (rest.length === 0) return told;
  const path = `/repos/${segment(owner)}/${segment(repo)}`;
  const shared = await amongst(context, `${path}/collaborators`, rest);
  for (const id of shared) told.set(id, 'COLLABORATOR');
  const strangers = rest.filter(({ id }) => !shared.has(String(id)));
  for (const id of await contributorsAmong(context, path, strangers)) told.set(id, 'CONTRIBUTOR');
  return told;
};
