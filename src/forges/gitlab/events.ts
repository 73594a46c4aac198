/**
 * GitLab's hooks as GitHub's events. What a hook is about is told by its `object_kind`, or by its `event_name` in hooks of
 * groups and of the whole instance, and never by a header, since those all come as `System Hook`.
 *
 * @see https://docs.gitlab.com/user/project/integrations/webhook_events and https://docs.gitlab.com/administration/system_hooks
 */
import type {
  Classification,
  ClassifyOptions,
  ForgeEvent,
  JsonObject,
  NativeDelivery,
  Snapshot,
  TranslatePorts,
} from '../forge.js';
import { deployment } from './events/deployment.js';
import { group } from './events/group.js';
import { digest, type Hook, payloadInvalid } from './events/hook.js';
import { issue, issueSnapshot } from './events/issue.js';
import { job } from './events/job.js';
import { groupMember, projectMember } from './events/member.js';
import { mergeRequest, mergeRequestSnapshot } from './events/merge-request.js';
import { milestone } from './events/milestone.js';
import { note } from './events/note.js';
import { withOwner } from './events/owner.js';
import { pipeline } from './events/pipeline.js';
import { project } from './events/project.js';
import { push } from './events/push.js';
import { CONFIDENTIAL, raw } from './events/raw.js';
import { release } from './events/release.js';
import { wiki } from './events/wiki.js';

const hooks: Readonly<Record<string, Hook>> = {
  push,
  tag_push: push,
  merge_request: mergeRequest,
  note,
  issue: issue('issue'),
  work_item: issue('work_item'),
  milestone,
  release,
  wiki_page: wiki,
  deployment,
  pipeline,
  build: job,
  user_add_to_team: projectMember('added'),
  user_update_for_team: projectMember('edited'),
  user_remove_from_team: projectMember('removed'),
  user_add_to_group: groupMember('added'),
  user_update_for_group: groupMember('edited'),
  user_remove_from_group: groupMember('removed'),
  project_create: project('created'),
  project_destroy: project('deleted'),
  project_rename: project('renamed'),
  project_transfer: project('transferred'),
  project_update: project('edited'),
  group_create: group('group_create', 'create'),
  group_destroy: group('group_destroy', 'destroy'),
  group_rename: group('group_rename', 'rename'),
  subgroup_create: group('subgroup_create', 'create'),
  subgroup_destroy: group('subgroup_destroy', 'destroy'),
};

/** Becomes a part of the name of an event, which has at most fifty characters. */
const KIND = /^[a-z][a-z0-9_]{0,35}$/;

function toldKind({ object_kind: object, event_name: event }: JsonObject): unknown {
  return typeof object === 'string' && object !== '' ? object : event;
}

/** What every object of JavaScript answers to is no kind of hook, and whoever looks it up in a table finds something. */
function kindOf(payload: JsonObject): string | undefined {
  const kind = toldKind(payload);
  return typeof kind === 'string' && KIND.test(kind) && !(kind in Object.prototype) ? kind : undefined;
}

const NO_KIND = 'The payload has no object_kind: a custom template of the webhook, or no hook of GitLab’s.';
const ODD_KIND =
  'Its object_kind is no name that a hook of GitLab’s has, or too long a one for an event: small letters, digits and _, at most 36 of them.';

/** What only hooks of the whole instance tell is `gitlab.system.<event_name>`, anything else `gitlab.<object_kind>`. */
function hookOf(kind: string, payload: JsonObject): Hook {
  if (Object.hasOwn(hooks, kind)) return hooks[kind] as Hook;
  return raw(payload.object_kind === kind ? kind : `system.${kind}`);
}

/** The one thing for which the header counts too: old bodies do not say that they are confidential. */
const isConfidentialHeader = (eventType: string) => /^confidential\b/i.test(eventType);

/** @see ForgeDescriptor.classify */
export function classify(eventType: string, payload: JsonObject, options: ClassifyOptions = {}): Classification {
  const kind = kindOf(payload);
  if (kind === undefined)
    return { kind: 'ignored', reason: typeof toldKind(payload) === 'string' ? ODD_KIND : NO_KIND };
  if (isConfidentialHeader(eventType) && options.confidential !== true)
    return { kind: 'ignored', reason: `${kind}: ${CONFIDENTIAL}` };
  const found = hookOf(kind, payload).classify(payload, options);
  if ('ignored' in found) return { kind: 'ignored', reason: `${kind}: ${found.ignored}` };
  const { events, repositoryId, number, identity } = found;
  return {
    kind: 'events',
    events,
    ...(repositoryId !== undefined && { repositoryId }),
    ...(repositoryId !== undefined && number !== undefined && { number }),
    // A hook of the project and one of its group send the same body.
    semanticKey: `${kind}:${repositoryId ?? 'account'}:${digest(identity ?? payload)}`,
  };
}

/** @see ForgeDescriptor.snapshot */
export function snapshot(_eventType: string, payload: JsonObject): Snapshot | undefined {
  const kind = kindOf(payload);
  if (kind === 'merge_request') return mergeRequestSnapshot(payload);
  return kind === 'issue' || kind === 'work_item' ? issueSnapshot(payload) : undefined;
}

/** @see ForgeDescriptor.payload */
export async function payload(delivery: NativeDelivery, event: ForgeEvent, ports: TranslatePorts): Promise<JsonObject> {
  const kind = kindOf(delivery.payload);
  if (kind === undefined) throw payloadInvalid(`${event.name}: object_kind is missing or of the wrong type`);
  return withOwner(await hookOf(kind, delivery.payload).payload(delivery, event, ports), ports);
}
