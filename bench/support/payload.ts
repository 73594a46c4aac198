/** What the benchmarks send: an opened pull request of about 20 KB, of each forge that is measured, signed as it signs. */
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { deliveriesOf } from './forge-deliveries.js';

/** What a hook's deliveries are signed with, by forge; one of them has a form of its own. */
export const SECRETS: Readonly<Record<string, string>> = {
  github: 'bench-secret',
  gitlab: `whsec_${Buffer.alloc(32, 'bench').toString('base64')}`,
  gitea: 'bench-secret',
};

interface Example {
  name: string;
  examples: { action?: string; number?: number; pull_request?: { id: number } }[];
}

export interface BenchDelivery {
  body: Buffer;
  /** Header lines of one delivery with this id, each with its line end. */
  headers(id: string): string;
}

type Json = Record<string, unknown>;

/**
 * GitHub's published example, 21 KB. It names the installation, as all that an App receives do: without one, Probot does not
 * make the client of an installation for its handler.
 */
function githubExample(): Json {
  const examples = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json') as Example[];
  const found = examples.find((example) => example.name === 'pull_request')?.examples;
  const opened = found?.find((example) => example.action === 'opened');
  if (!opened) throw new Error('there is no example of an opened pull request');
  return { ...opened, installation: { id: 1, node_id: 'MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uMQ==' } };
}

/** A fixture of ours, grown to 20 KB. */
function fixture(forge: string, name: string): Json {
  const found = deliveriesOf(forge).find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no fixture ${name} of ${forge}`);
  return JSON.parse(found.body.toString('utf8')) as Json;
}

const hex = (secret: string, body: Buffer): string => createHmac('sha256', secret).update(body).digest('hex');

interface Sender {
  payload(): Json;
  /** Where the pull request stands, and what its number is called there. */
  pull: string;
  number: string;
  /** Header lines of a body; what depends on the id is made when it is sent. */
  sign(body: Buffer, secret: string): (id: string) => string;
}

const senders: Readonly<Record<string, Sender>> = {
  github: {
    payload: githubExample,
    pull: 'pull_request',
    number: 'number',
    sign(body, secret) {
      const signature = `X-Hub-Signature-256: sha256=${hex(secret, body)}\r\n`;
      return (id) => `X-GitHub-Event: pull_request\r\nX-GitHub-Delivery: ${id}\r\n${signature}`;
    },
  },
  gitlab: {
    payload: () => fixture('gitlab', 'merge_request.open'),
    pull: 'object_attributes',
    number: 'iid',
    // The id and the time are signed with the body: this is computed for each request, by the sender.
    sign: (body, secret) => (id) => {
      const at = Math.floor(Date.now() / 1_000);
      const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
      const signature = createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest('base64');
      return `X-Gitlab-Event: Merge Request Hook\r\nwebhook-id: ${id}\r\nwebhook-timestamp: ${at}\r\nwebhook-signature: v1,${signature}\r\n`;
    },
  },
  gitea: {
    payload: () => fixture('gitea', 'pull_request.opened'),
    pull: 'pull_request',
    number: 'number',
    sign(body, secret) {
      const signature = `X-Gitea-Signature: ${hex(secret, body)}\r\n`;
      return (id) =>
        `X-Gitea-Event: pull_request\r\nX-Gitea-Event-Type: pull_request\r\nX-Gitea-Delivery: ${id}\r\n${signature}`;
    },
  },
};

/** @throws Error for a forge that is not measured */
export function deliveriesFrom(forge: string, count: number): BenchDelivery[] {
  const sender = senders[forge];
  const secret = SECRETS[forge];
  if (sender === undefined || secret === undefined) throw new Error(`${forge} is not measured`);
  const payload = sender.payload();
  return Array.from({ length: count }, (_, index) => {
    const pull = { ...(payload[sender.pull] as Json), [sender.number]: index + 1, id: index + 1 };
    const numbered = 'number' in payload ? { number: index + 1 } : {};
    const body = Buffer.from(JSON.stringify({ ...payload, ...numbered, [sender.pull]: pull }));
    return { body, headers: sender.sign(body, secret) };
  });
}
