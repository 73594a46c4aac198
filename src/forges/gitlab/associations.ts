/**
 * What accounts are to a project. Of a group's project, who is in it by the group and who by itself is all the same to its
 * rights: all are members. Whoever is neither and has a merged merge request is a contributor; of many strangers at once
 * only the newest merged ones are looked through.
 *
 * @see https://docs.gitlab.com/api/members/ and https://docs.gitlab.com/api/merge_requests/
 */
import { z } from 'zod';
import { type AskAssociations, type Author, MOST_SINGLE } from '../kit/associations.js';
import { segment } from '../kit/native-client.js';
import type { RouteContext } from '../kit/route.js';
import type { Association } from '../kit/shapes/inputs.js';
import { type NativeMember, nativeMember } from './convert/group.js';
import { read, readAll, id as recordId } from './convert/read.js';
import { projectPath } from './references.js';
import { permissionOf } from './roles.js';
import { everything, projectAt } from './routes/place.js';

/** Of members read at once, 100 a page; those behind are asked for one by one. */
const MOST_PAGES = 5;
/** Of merged merge requests, 100 a page. */
const MERGED_PAGES = 2;
/** Everybody may read a public project, so that reading says nothing. */
const MEMBER: ReadonlySet<string> = new Set(['admin', 'maintain', 'write', 'triage']);

const merged = z.looseObject({ author: z.looseObject({ id: recordId }).nullish() });

async function contributorsAmong(context: RouteContext, api: string, strangers: readonly Author[]): Promise<string[]> {
  const path = `${api}/merge_requests`;
  if (strangers.length > MOST_SINGLE) {
    const newest = await everything(context, path, merged, { state: 'merged' }, MERGED_PAGES);
    const authors = new Set(newest.map(({ author }) => String(author?.id)));
    return strangers.map(({ id }) => String(id)).filter((id) => authors.has(id));
  }
  const found: string[] = [];
  for (const { id } of strangers) {
    const query = { state: 'merged', author_id: id, per_page: 1 };
    const list = readAll(merged, await context.native.get(path, query), 'list of merge requests');
    if (list.length > 0) found.push(String(id));
  }
  return found;
}

export const associations: AskAssociations = async ({ owner, repo }, authors, context) => {
  const api = `/projects/${segment(projectPath(owner, repo))}`;
  const project = await projectAt(context, api);
  const isMember = ({ access_level: level }: NativeMember) => MEMBER.has(permissionOf(level));
  const members = new Map<string, NativeMember>();
  let rest = authors;
  if (authors.length > MOST_SINGLE) {
    const listed = await everything(context, `${api}/members/all`, nativeMember, {}, MOST_PAGES);
    for (const member of listed) members.set(String(member.id), member);
    rest = listed.length < MOST_PAGES * 100 ? [] : authors.filter(({ id }) => !members.has(String(id)));
  }
  for (const { id } of rest) {
    const found = await context.native.find(`${api}/members/all/${segment(String(id))}`);
    if (found !== undefined) members.set(String(id), read(nativeMember, found, 'member'));
  }
  const association: Association = project.namespace?.kind === 'group' ? 'MEMBER' : 'COLLABORATOR';
  const told = new Map<string, Association>();
  const strangers: Author[] = [];
  for (const { id, login } of authors) {
    const member = members.get(String(id));
    if (login.toLowerCase() === owner.toLowerCase()) told.set(String(id), 'OWNER');
    else if (member !== undefined && isMember(member)) told.set(String(id), association);
    else strangers.push({ id, login });
  }
  for (const id of await contributorsAmong(context, api, strangers)) told.set(id, 'CONTRIBUTOR');
  return told;
};
