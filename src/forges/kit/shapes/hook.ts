/** Webhooks of a repository or an organization. Whatever is secret of one is not even given to this shape. */
import { redactText } from '../../../lib/redact.js';
import type { JsonObject } from '../../forge.js';
import type { ShapeBase } from './base.js';
import { UNKNOWN_TIME } from './fields.js';
import type { Id } from './inputs.js';
import { jsonId } from './node-id.js';

export interface HookInput {
  id: Id;
  url: string;
  active: boolean;
  /** GitHub's names. */
  events: readonly string[];
  contentType: 'json' | 'form';
  /** False where nobody looks at the certificate of the address. */
  checksCertificate: boolean;
  /** Whether deliveries are signed; undefined when the forge does not tell. */
  isSigned?: boolean | undefined;
  createdAt?: string | undefined;
  updatedAt?: string | undefined;
}

/** What GitHub, too, shows instead of a secret. */
const HIDDEN = '********';

/** Addresses of webhooks are often keys themselves: what stands in their query, or before an @, is not passed on. */
function shownUrl(text: string): string {
  if (!URL.canParse(text)) return redactText(text);
  const url = new URL(text);
  if (url.username || url.password) {
    url.username = HIDDEN;
    url.password = '';
  }
  for (const name of new Set(url.searchParams.keys())) url.searchParams.set(name, HIDDEN);
  return redactText(url.href);
}

/** @param place `/repos/owner/name` or `/orgs/name`, encoded */
export function hook(base: ShapeBase, place: string, input: HookInput): JsonObject {
  const self = `${base.api}${place}/hooks/${input.id}`;
  const created = input.createdAt ?? UNKNOWN_TIME;
  return {
    type: place.startsWith('/orgs/') ? 'Organization' : 'Repository',
    id: jsonId(input.id),
    name: 'web',
    active: input.active,
    events: [...new Set(input.events)].sort(),
    config: {
      url: shownUrl(input.url),
      content_type: input.contentType,
      insecure_ssl: input.checksCertificate ? '0' : '1',
      ...(input.isSigned && { secret: HIDDEN }),
    },
    created_at: created,
    updated_at: input.updatedAt ?? created,
    url: self,
    ping_url: `${self}/pings`,
    deliveries_url: `${self}/deliveries`,
    // How the last delivery went stands among the deliveries, where they are told.
    last_response: { code: null, status: null, message: null },
  };
}
