/** Who belongs to organizations and teams changed. The event is a hint: the forge is read, and only what it says counts. */
import type { Probot } from 'probot';
import { forgetRights } from '../accounts/access/remembered.js';
import { markDue } from '../accounts/membership/sources.js';
import { readShape } from '../store/mirror/shape.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';
import { memberEvent, organizationEvent } from './event-payloads.js';

export function organizationHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on(['organization', 'membership', 'team'], ({ name, payload }) =>
      inDelivery(o, async ({ tx, origin, log }) => {
        const { action, organization, team } = readShape(organizationEvent, payload, name);
        const deleted = name === 'organization' && action === 'deleted';
        const now = new Date();
        let sources = await markDue(tx, origin, organization.id, { now, deleted });
        // On a forge with nested groups, the group above may not be linked, and the one that is told of may be.
        if (sources === 0 && team != null) sources = await markDue(tx, origin, team.id, { now });
        // Whose right changed in which repository nobody says.
        await forgetRights(tx, origin, now);
        log.info({ organization: organization.login, action, sources }, 'members may have changed');
      }),
    );
    app.on('member', ({ payload }) =>
      inDelivery(o, async ({ tx, origin, log }) => {
        const { action, member, repository } = readShape(memberEvent, payload, 'member');
        const whose = member == null ? {} : { accountId: member.id };
        await forgetRights(tx, { ...origin, remoteRepositoryId: repository.remoteId, ...whose }, new Date());
        log.info({ repository: `${repository.owner}/${repository.name}`, action }, 'rights may have changed');
      }),
    );
  };
}
