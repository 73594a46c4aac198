/** Milestones. Those of a group belong to no repository and are told as they are. */
import { milestone as milestoneShape } from '../../kit/shapes/milestone.js';
import { milestoneInput } from '../convert/milestone.js';
import { toGitHubText } from '../references.js';
import { anyEvent, milestoneEvent } from '../schema.js';
import { hook } from './hook.js';
import { firstId, hasPlace, placeOf, repositoryInput } from './place.js';
import { rawFinding, rawPayload } from './raw.js';

/** GitHub's word for reopening one is `opened`. */
const ACTIONS: Readonly<Record<string, string>> = {
  create: 'created',
  close: 'closed',
  reopen: 'opened',
  update: 'edited',
  delete: 'deleted',
};

export const milestone = hook(milestoneEvent, {
  classify(payload) {
    const { object_attributes: attributes, project } = payload;
    const native = payload.action ?? attributes.action ?? '';
    const action = Object.hasOwn(ACTIONS, native) ? ACTIONS[native] : undefined;
    const repositoryId = firstId(project?.id);
    if (action === undefined || repositoryId === undefined || !hasPlace(project))
      return rawFinding('milestone', anyEvent.parse(payload));
    return {
      events: [{ name: 'milestone', action }],
      repositoryId,
      identity: [attributes.id, action, attributes.state, attributes.updated_at],
    };
  },
  async payload(payload, event, ports, delivery) {
    const { object_attributes: attributes, project } = payload;
    if (event.name !== 'milestone') return rawPayload(anyEvent.parse(payload), event, ports, delivery.payload);
    // The hook names nobody who did it.
    const place = placeOf(ports, repositoryInput(ports.base, project ?? {}, project?.id ?? 0));
    const input = milestoneInput({
      ...attributes,
      created_at: attributes.created_at ?? undefined,
      updated_at: attributes.updated_at ?? undefined,
      web_url: `${place.repository.htmlUrl}/-/milestones/${attributes.iid}`,
    });
    const description = input.description ? toGitHubText(input.description) : null;
    return {
      action: event.action,
      ...(event.action === 'edited' && { changes: {} }),
      milestone: milestoneShape(ports.base, place.owner, place.name, { ...input, description }),
      ...place.fields,
    };
  },
});
