/** Gitea's and Forgejo's webhooks as GitHub's events. */

import { ForgewayError } from '../../lib/errors.js';
import type { ForgeEvent, NativeDelivery, Told, TranslatePorts } from '../forge.js';
import { cleaned } from '../kit/storable-text.js';
import { actionRuns, statuses, workflowJobs, workflowRuns } from './events/actions.js';
import { comments, lineComments } from './events/comments.js';
import { issues, pullRequests } from './events/conversations.js';
import { field } from './events/fields.js';
import { kindOf } from './events/kind.js';
import { created, deleted, ping, push, suiteRequested } from './events/push.js';
import { forks, packages, releases, repositories, wikis } from './events/repositories.js';
import { reviews } from './events/reviews.js';
import { type Translation, translationOf } from './events/translation.js';

export { classify } from './events/classify.js';
export { snapshot } from './events/snapshot.js';

type Builder = (translation: Translation) => Told | Promise<Told>;

/** By GitHub's event name. */
const builders: ReadonlyMap<string, Builder> = new Map<string, Builder>([
  ['ping', ping],
  ['push', push],
  ['check_suite', suiteRequested],
  ['create', created],
  ['delete', deleted],
  ['fork', forks],
  ['issues', issues],
  ['issue_comment', comments],
  ['pull_request', pullRequests],
  ['pull_request_review', reviews],
  ['pull_request_review_comment', lineComments],
  ['repository', repositories],
  ['release', releases],
  ['gollum', wikis],
  ['package', packages],
  ['status', statuses],
  ['workflow_run', workflowRuns],
  ['workflow_job', workflowJobs],
]);

/** See ForgeDescriptor.payload. */
export async function payload(delivery: NativeDelivery, event: ForgeEvent, ports: TranslatePorts): Promise<Told> {
  const native = cleaned(delivery.payload);
  const kind = kindOf(delivery.eventType, native);
  const build = kind === 'action_run' ? actionRuns : builders.get(event.name);
  if (build === undefined)
    throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', `${event.name.slice(0, 60)} is no event of this forge`);
  // In a fork the two repositories stand in each other's place; Forgejo's runs have theirs inside.
  const from =
    kind === 'fork' ? native.forkee : kind === 'action_run' ? field(native, 'run.repository') : native.repository;
  const sender = kind === 'action_run' ? field(native, 'run.trigger_user') : native.sender;
  return await build(await translationOf({ ...delivery, payload: native }, event, ports, { repository: from, sender }));
}
