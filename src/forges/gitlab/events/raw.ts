/**
 * What GitHub has no word for, told as it is: the event `gitlab.<kind>`, whose payload has GitHub's `repository` and
 * `sender` as far as the hook names them, and the hook itself as `gitlab`.
 */
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import { type AnyEvent, anyEvent } from '../schema.js';
import { accountInput, senderOf } from './account.js';
import { type Finding, type Hook, hook } from './hook.js';
import { firstId, hasPlace, placeOf, repositoryInput } from './place.js';

const projectId = (any: AnyEvent) => any.project?.id ?? any.project_id ?? any.object_attributes?.project_id;

/** Hidden from some members of the project by their author. */
export function isConfidential(any: AnyEvent): boolean {
  return (
    (any.event_type ?? '').startsWith('confidential_') ||
    any.object_attributes?.confidential === true ||
    any.object_attributes?.internal === true ||
    any.issue?.confidential === true ||
    any.work_item?.confidential === true ||
    any.epic?.confidential === true ||
    any.note?.internal === true ||
    any.note?.confidential === true
  );
}

export const CONFIDENTIAL = 'It is confidential, and this connection did not ask for such.';

/** An event that only apps written for GitLab can know. `action` is the hook's own word. */
export function rawFinding(kind: string, any: AnyEvent, action?: string): Finding {
  const told = action ?? any.object_attributes?.action ?? any.action;
  const event: ForgeEvent = { name: `gitlab.${kind}`, ...(told && ACTION.test(told) && { action: told }) };
  const repositoryId = firstId(projectId(any));
  return { events: [event], ...(repositoryId !== undefined && { repositoryId }) };
}

/** PostgreSQL refuses a NUL, and nobody listens to a text. */
const ACTION = /^[a-z][a-z0-9_]{0,49}$/;

export function rawPayload(any: AnyEvent, event: ForgeEvent, ports: TranslatePorts, native: JsonObject): JsonObject {
  const actor = accountInput(ports.base, any.user);
  const id = projectId(any);
  const place =
    any.project && hasPlace(any.project) && id !== null && id !== undefined
      ? placeOf(ports, repositoryInput(ports.base, any.project, id, actor), actor).fields
      : { sender: senderOf(ports.base, actor) };
  return { ...(event.action !== undefined && { action: event.action }), ...place, gitlab: native };
}

/** A kind of hook of which nothing is translated. */
export const raw = (kind: string): Hook =>
  hook(anyEvent, {
    classify: (any, options) =>
      isConfidential(any) && options.confidential !== true ? { ignored: CONFIDENTIAL } : rawFinding(kind, any),
    payload: async (any, event, ports, delivery) => rawPayload(any, event, ports, delivery.payload),
  });
