/** Pushes of branches and tags; what is made or deleted is told twice, as GitHub does. */
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import { pushCommit, pushedRepository } from '../../kit/shapes/commit.js';
import type { AccountInput } from '../../kit/shapes/inputs.js';
import { type PushEvent, pushEvent } from '../schema.js';
import { accountInput } from './account.js';
import { askObject } from './ask.js';
import { askedCommit } from './asked-commit.js';
import { commitInput } from './commit.js';
import { hook, isZero } from './hook.js';
import { firstId, hasPlace, NO_PLACE, type Place, placeOf, repositoryInput } from './place.js';

const projectId = (push: PushEvent) => push.project?.id ?? push.project_id;

/** Flat keys, as only pushes have them. Old system hooks leave out the username. */
const actorOf = (ports: TranslatePorts, push: PushEvent): AccountInput | undefined =>
  accountInput(ports.base, { id: push.user_id, username: push.user_username, avatar_url: push.user_avatar });

const shortRef = (ref: string) => ref.replace(/^refs\/(heads|tags)\//, '');
const isTag = (ref: string) => ref.startsWith('refs/tags/');

/** Where the repository lies that GitLab makes up to test the webhook of an empty one; RFC 6761 keeps the name for nobody. */
const SAMPLE = /^https?:\/\/test\.example\.com\//;

/**
 * A push of the newest commits that happened long ago, sent by the button "Test" and its API. No real push lists the commit
 * that the ref stood at before: GitLab's sample begins at the oldest commit it shows. Of an empty repository it tells one that
 * is nowhere, under the id 15, which may be somebody's here.
 */
const isTest = ({ before, commits, project }: PushEvent): boolean =>
  (commits ?? []).some(({ id }) => id === before) || SAMPLE.test(project?.web_url ?? '');

/** A forced push looks like any other in the hook; the comparison of both ends tells it. */
async function isForced(push: PushEvent, place: Place, ports: TranslatePorts): Promise<boolean> {
  if (isZero(push.before) || isZero(push.after) || !ports.wanted.has('forced')) return false;
  const basehead = `${push.before}...${push.after}`;
  const compared = await askObject(ports, 'GET /repos/{owner}/{repo}/compare/{basehead}', {
    ...place.parameters,
    basehead,
  });
  return compared?.status === 'diverged' || compared?.status === 'behind';
}

async function pushPayload(push: PushEvent, place: Place, ports: TranslatePorts): Promise<JsonObject> {
  const { before, after, ref } = push;
  const created = isZero(before);
  const deleted = isZero(after);
  const page = place.repository.htmlUrl;
  const commits = (push.commits ?? []).map((one) => commitInput(one, page));
  // The ref of an annotated tag is the tag's own object; what is checked out is the commit.
  const told = commits.find(({ sha }) => sha === after) ?? commits.find(({ sha }) => sha === push.checkout_sha);
  const isUntold = told === undefined && !deleted && ports.wanted.has('head_commit');
  const head = isUntold ? await askedCommit(ports, place, push.checkout_sha ?? after) : told;
  const compare = created ? `${page}/-/commits/${encodeURI(shortRef(ref))}` : `${page}/-/compare/${before}...${after}`;
  return {
    ref,
    before,
    after,
    created,
    deleted,
    forced: await isForced(push, place, ports),
    base_ref: null,
    compare,
    commits: commits.map((one) => pushCommit(ports.base, one)),
    head_commit: head === undefined || deleted ? null : pushCommit(ports.base, head),
    pusher: { name: push.user_username ?? push.user_name ?? '', email: push.user_email ?? '' },
    ...place.fields,
    repository: pushedRepository(place.fields.repository as JsonObject),
  };
}

export const push = hook(pushEvent, {
  classify(push) {
    const repositoryId = firstId(projectId(push));
    if (repositoryId === undefined) return { ignored: 'project_id is missing.' };
    if (!hasPlace(push.project)) return { ignored: NO_PLACE };
    // Connecting sends one, and nothing was pushed: an app that writes on a push must not be woken by it.
    if (isTest(push)) return { ignored: 'A test delivery of the webhook.' };
    const created = isZero(push.before);
    const deleted = isZero(push.after);
    if (created && deleted) return { ignored: 'The ref was neither there before nor after.' };
    const first: ForgeEvent[] = created ? [{ name: 'create' }] : deleted ? [{ name: 'delete' }] : [];
    return {
      events: [...first, { name: 'push' }],
      repositoryId,
      identity: [push.ref, push.before, push.after],
    };
  },
  async payload(push, event, ports) {
    const actor = actorOf(ports, push);
    const repository = repositoryInput(ports.base, push.project ?? {}, projectId(push) ?? 0, actor);
    const place = placeOf(ports, repository, actor);
    if (event.name === 'push') return pushPayload(push, place, ports);
    return {
      ref: shortRef(push.ref),
      ref_type: isTag(push.ref) ? 'tag' : 'branch',
      ...(event.name === 'create' && {
        master_branch: repository.defaultBranch ?? 'main',
        description: repository.description ?? null,
      }),
      pusher_type: 'user',
      ...place.fields,
    };
  },
});
