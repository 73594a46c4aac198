/** Headers of a delivery as each forge signs it, by hand and not with the project's code. */
import { createHmac } from 'node:crypto';

export interface Unsigned {
  /** The forge's own name of the event; `group/type` where it sends two. */
  eventType: string;
  body: Buffer;
  /** The forge's id of the delivery. */
  id: string;
  contentType?: string;
  /** Seconds since 1970; now unless said otherwise. */
  timestamp?: number;
}

type Sign = (delivery: Unsigned, secret: string) => Record<string, string>;

const hmac = (key: string | Buffer, ...parts: readonly (string | Buffer)[]) => {
  const digest = createHmac('sha256', key);
  for (const part of parts) digest.update(part);
  return digest;
};

const isForm = ({ contentType = '' }: Unsigned): boolean => contentType.includes('form');

/** Servers of this family sign the JSON, also where it travels in a form. */
const signedPart = (delivery: Unsigned): Buffer =>
  isForm(delivery)
    ? Buffer.from(new URLSearchParams(delivery.body.toString('utf8')).get('payload') ?? '')
    : delivery.body;

const giteaLike =
  (family: string): Sign =>
  (delivery, secret) => {
    const [group = '', type = group] = delivery.eventType.split('/');
    return {
      [`x-${family}-event`]: group,
      [`x-${family}-event-type`]: type,
      [`x-${family}-delivery`]: delivery.id,
      [`x-${family}-signature`]: hmac(secret, signedPart(delivery)).digest('hex'),
    };
  };

/** By forge. A secret that begins with `whsec_` signs where the forge knows such. */
export const signatures: Readonly<Record<string, Sign>> = {
  github: (delivery, secret) => ({
    'x-github-event': delivery.eventType,
    'x-github-delivery': delivery.id,
    'x-hub-signature-256': `sha256=${hmac(secret, delivery.body).digest('hex')}`,
  }),
  gitlab: (delivery, secret) => {
    const headers = { 'x-gitlab-event': delivery.eventType, 'webhook-id': delivery.id, 'idempotency-key': delivery.id };
    if (!secret.startsWith('whsec_')) return { ...headers, 'x-gitlab-token': secret };
    const timestamp = String(delivery.timestamp ?? Math.floor(Date.now() / 1_000));
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const signature = hmac(key, `${delivery.id}.${timestamp}.`, delivery.body).digest('base64');
    return { ...headers, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
  },
  gitea: giteaLike('gitea'),
  forgejo: giteaLike('forgejo'),
};

/** @throws Error for a forge that is not known here */
export function signedHeaders(forge: string, delivery: Unsigned, secret: string): Record<string, string> {
  const sign = signatures[forge];
  if (sign === undefined) throw new Error(`How ${forge} signs is not known here.`);
  return { 'content-type': delivery.contentType ?? 'application/json', ...sign(delivery, secret) };
}
