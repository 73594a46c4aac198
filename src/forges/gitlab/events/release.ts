/** Releases. Publishing one is three events to GitHub. */
import type { ForgeEvent, TranslatePorts } from '../../forge.js';
import { release as releaseShape } from '../../kit/shapes/release.js';
import { time } from '../convert/read.js';
import { toGitHubText } from '../references.js';
import { type ReleaseEvent, releaseEvent } from '../schema.js';
import { knownAccount } from './account.js';
import { askObject, object } from './ask.js';
import { hook } from './hook.js';
import { firstId, hasPlace, NO_PLACE, placeOf, repositoryInput } from './place.js';

const MINUTE = 60_000;

/** Dated into the future when it was made: GitLab calls it upcoming, GitHub has nothing nearer than a pre-release. */
function isUpcoming({ upcoming_release: upcoming, created_at: created, released_at: released }: ReleaseEvent): boolean {
  if (typeof upcoming === 'boolean') return upcoming;
  return Date.parse(time(released) ?? '') > Date.parse(time(created) ?? '') + MINUTE;
}

function releaseEvents(payload: ReleaseEvent): ForgeEvent[] {
  const event = (action: string) => ({ name: 'release', action });
  switch (payload.action) {
    case 'create':
      return [event('created'), event('published'), event(isUpcoming(payload) ? 'prereleased' : 'released')];
    case 'update':
      return [event('edited')];
    case 'delete':
      return [event('deleted')];
    default:
      return [];
  }
}

/** GitLab knows releases by their tag; routes give them numbers of our own, which events have to give too. */
const known = (payload: ReleaseEvent, parameters: object, ports: TranslatePorts) =>
  payload.action === 'delete'
    ? undefined
    : askObject(ports, 'GET /repos/{owner}/{repo}/releases/tags/{tag}', { ...parameters, tag: payload.tag });

export const release = hook(releaseEvent, {
  classify(payload) {
    const repositoryId = firstId(payload.project?.id);
    if (repositoryId === undefined) return { ignored: 'project.id is missing.' };
    if (!hasPlace(payload.project)) return { ignored: NO_PLACE };
    const events = releaseEvents(payload);
    if (events.length === 0) return { ignored: 'action is none of a release.' };
    return { events, repositoryId };
  },
  async payload(payload, event, ports) {
    const repository = repositoryInput(ports.base, payload.project ?? {}, payload.project?.id ?? 0);
    const told = await known(payload, { owner: repository.owner.login, repo: repository.name }, ports);
    // The hook names nobody; a release that is there names who made it.
    const author = knownAccount(object(told?.author));
    const place = placeOf(ports, repository, event.action === 'edited' ? undefined : author);
    const id = typeof told?.id === 'number' || typeof told?.id === 'string' ? told.id : payload.id;
    return {
      action: event.action,
      ...(event.action === 'edited' && { changes: {} }),
      release: releaseShape(ports.base, place.owner, place.name, {
        id,
        tag: payload.tag,
        target: payload.commit?.id,
        name: payload.name ?? payload.tag,
        body: payload.description ? toGitHubText(payload.description) : null,
        draft: false,
        prerelease: event.action === 'prereleased' || isUpcoming(payload),
        htmlUrl: payload.url ?? `${repository.htmlUrl}/-/releases/${encodeURIComponent(payload.tag)}`,
        author,
        createdAt: time(payload.created_at),
        publishedAt: time(payload.released_at ?? payload.created_at) ?? null,
        assets: (payload.assets?.links ?? []).map(({ id: link, name, url }) => ({ id: link, name, url })),
      }),
      ...place.fields,
    };
  },
});
