/** Native webhooks: which hooks want an event, and the headers it travels with. */
import { createHmac, randomUUID } from 'node:crypto';
import type { FakeHook, FakeWebhook } from '../../kit/fake/webhook-sender.js';
import { type Hook, organizationNamed, type Repository, type State } from './state.js';

/** `X-Gitea-Event` groups what `X-Gitea-Event-Type` tells apart. */
const GROUPS: Readonly<Record<string, string>> = {
  issue_assign: 'issues',
  issue_label: 'issues',
  issue_milestone: 'issues',
  pull_request_comment: 'issue_comment',
  pull_request_assign: 'pull_request',
  pull_request_label: 'pull_request',
  pull_request_milestone: 'pull_request',
  pull_request_sync: 'pull_request',
  pull_request_review_request: 'pull_request',
  pull_request_review_approved: 'pull_request_approved',
  pull_request_review_rejected: 'pull_request_rejected',
  pull_request_review_comment: 'pull_request_comment',
};

/** The plain names stand for everything that begins with them. */
function wants(hook: Hook, type: string): boolean {
  if (!hook.active) return false;
  const general = type.startsWith('pull_request_') ? 'pull_request' : /^issue_(?!comment)/.test(type) ? 'issues' : type;
  return hook.events.includes(type) || hook.events.includes(general);
}

/** Of the repository, of its organization, of the whole server: each that wants it gets its own delivery. */
export function hooksFor(state: State, repository: Repository, type: string): FakeHook[] {
  const organization = organizationNamed(state, repository.owner);
  return [...repository.hooks, ...(organization?.hooks ?? []), ...state.systemHooks]
    .filter((hook) => wants(hook, type))
    .map(({ url, secret }) => ({ url, secret }));
}

const hmac = (algorithm: 'sha1' | 'sha256', secret: string, body: string): string =>
  secret === '' ? '' : createHmac(algorithm, secret).update(body).digest('hex');

/** The headers of both families: the server speaks like two others besides itself. */
export function deliveryHeaders(flavour: 'gitea' | 'forgejo') {
  return (event: FakeWebhook, hook: FakeHook, body: string): Record<string, string> => {
    const { event: type } = event;
    const group = GROUPS[type] ?? type;
    const id = randomUUID();
    const sha256 = hmac('sha256', hook.secret, body);
    const family = (name: string) => ({
      [`x-${name}-delivery`]: id,
      [`x-${name}-event`]: group,
      [`x-${name}-event-type`]: type,
    });
    return {
      ...family('github'),
      ...family('gogs'),
      ...family('gitea'),
      ...(flavour === 'forgejo' && { ...family('forgejo'), 'x-forgejo-signature': sha256 }),
      'x-gitea-signature': sha256,
      'x-gogs-signature': sha256,
      'x-hub-signature': `sha1=${hmac('sha1', hook.secret, body)}`,
      'x-hub-signature-256': `sha256=${sha256}`,
    };
  };
}
