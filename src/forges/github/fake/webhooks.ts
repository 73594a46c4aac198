/** The headers of a webhook, signed, as GitHub sends them. */
import { createHmac, randomUUID } from 'node:crypto';
import type { FakeHook, FakeWebhook } from '../../kit/fake/webhook-sender.js';

export interface HookTarget {
  id: number;
  type: 'integration' | 'repository';
}

export const deliveryHeaders =
  (targetOf: (hook: FakeHook) => HookTarget) =>
  (event: FakeWebhook, hook: FakeHook, body: string): Record<string, string> => {
    const target = targetOf(hook);
    const hmac = (algorithm: string) => createHmac(algorithm, hook.secret).update(body).digest('hex');
    const signed = hook.secret !== '' && {
      'x-hub-signature': `sha1=${hmac('sha1')}`,
      'x-hub-signature-256': `sha256=${hmac('sha256')}`,
    };
    return {
      'user-agent': 'GitHub-Hookshot/fake',
      'x-github-delivery': randomUUID(),
      'x-github-event': event.event,
      'x-github-hook-id': String(target.id),
      'x-github-hook-installation-target-id': String(target.id),
      'x-github-hook-installation-target-type': target.type,
      ...signed,
    };
  };
