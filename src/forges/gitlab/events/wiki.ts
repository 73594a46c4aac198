/** Wiki pages. GitHub tells of pages that were made and edited, and of no deleted one. */
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import { anyEvent, wikiEvent } from '../schema.js';
import { accountInput } from './account.js';
import { hook } from './hook.js';
import { firstId, hasPlace, placeOf, repositoryInput } from './place.js';
import { rawFinding, rawPayload } from './raw.js';

const ACTIONS: Readonly<Record<string, string>> = { create: 'created', update: 'edited' };

const told = (action: string) => (Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined);

export const wiki = hook(wikiEvent, {
  classify(payload) {
    const repositoryId = firstId(payload.project?.id);
    if (
      told(payload.object_attributes.action) === undefined ||
      repositoryId === undefined ||
      !hasPlace(payload.project)
    )
      return rawFinding('wiki_page', anyEvent.parse(payload));
    return { events: [{ name: 'gollum' }], repositoryId };
  },
  async payload(payload, event, ports, delivery) {
    const { object_attributes: page, project } = payload;
    if (event.name !== 'gollum') return rawPayload(anyEvent.parse(payload), event, ports, delivery.payload);
    const actor = accountInput(ports.base, payload.user);
    const place = placeOf(ports, repositoryInput(ports.base, project ?? {}, project?.id ?? 0, actor), actor);
    return {
      pages: [
        {
          page_name: page.slug,
          title: page.title,
          summary: null,
          action: told(page.action),
          sha: page.version_id ?? NO_COMMIT,
          html_url: page.url ?? `${place.repository.htmlUrl}/-/wikis/${encodeURI(page.slug)}`,
        },
      ],
      ...place.fields,
    };
  },
});
