/** How a delivery arrives: which headers say what, and where its JSON stands in the body. */
import type { JsonObject, WebhookHeaders } from '../forge.js';
import { readJsonObject } from '../kit/json-body.js';

export const FORM = 'application/x-www-form-urlencoded';
export const contentTypes = ['application/json', FORM] as const;

/**
 * Forgejo sends its own headers and Gitea's, and both send those of their ancestors for receivers that were written for
 * them. The first that is there counts: they never disagree.
 */
const FAMILIES = ['forgejo', 'gitea', 'gogs', 'github'] as const;

/** Printable ASCII and short: it becomes a key in the database and a field in every log line. */
const DELIVERY_KEY = /^[\x21-\x7e]{1,100}$/;
const EVENT_NAME = /^[a-z][a-z0-9_]{0,49}$/;

export const storedHeaders: readonly string[] = [
  'content-type',
  'user-agent',
  ...FAMILIES.flatMap((family) => [`x-${family}-delivery`, `x-${family}-event`, `x-${family}-event-type`]),
  'x-gitea-hook-installation-target-type',
];

function first(headers: WebhookHeaders, name: string, form: RegExp): string | undefined {
  for (const family of FAMILIES) {
    const value = headers[`x-${family}-${name}`];
    if (typeof value === 'string' && form.test(value)) return value;
  }
  return undefined;
}

/** One per delivery and hook. A delivery that is sent again by hand gets a new one. */
export const deliveryKey = (headers: WebhookHeaders): string | undefined => first(headers, 'delivery', DELIVERY_KEY);

/**
 * `group/type` where the two headers differ, such as `pull_request/pull_request_label`, else the one name. Both are kept,
 * since `pull_request_comment` is the group of a review but the type of an ordinary comment, and since older servers send
 * an empty group for some types and no type at all for others.
 */
export function eventType(headers: WebhookHeaders): string {
  const group = first(headers, 'event', EVENT_NAME);
  const type = first(headers, 'event-type', EVENT_NAME);
  if (group === undefined || type === undefined || group === type) return type ?? group ?? '';
  return `${group}/${type}`;
}

export const isForm = (contentType: string): boolean => contentType.split(';', 1)[0]?.trim().toLowerCase() === FORM;

/** The decoded field of a form, as Go encodes it: a plus is a space. Undefined when there is none, or more than one. */
export function payloadField(body: Buffer): Buffer | undefined {
  const values = new URLSearchParams(body.toString('utf8')).getAll('payload');
  return values.length === 1 && values[0] !== undefined ? Buffer.from(values[0], 'utf8') : undefined;
}

/** See ForgeDescriptor.parse. */
export function parse(contentType: string, body: Buffer): { payload: JsonObject } | { invalid: string } {
  if (!isForm(contentType)) return readJsonObject(body);
  const field = payloadField(body);
  return field === undefined ? { invalid: 'The form has no payload field.' } : readJsonObject(field);
}
