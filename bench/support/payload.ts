import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';

export const SECRET = 'bench-secret';

interface Example {
  name: string;
  examples: { action?: string; number?: number; pull_request?: { id: number } }[];
}

export interface SignedBody {
  body: string;
  signature: string;
}

/**
 * Real `pull_request` bodies of 21 KB, signed. Each is another pull request. They name the installation, as all that an App
 * receives do: without one, Probot does not make the client of an installation for its handler.
 */
export function signedBodies(count: number): SignedBody[] {
  const examples = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json') as Example[];
  const found = examples.find((example) => example.name === 'pull_request')?.examples;
  const opened = found?.find((example) => example.action === 'opened');
  if (!opened) throw new Error('there is no example of an opened pull request');
  return Array.from({ length: count }, (_, index) => {
    const body = JSON.stringify({
      ...opened,
      number: index + 1,
      pull_request: { ...opened.pull_request, number: index + 1, id: index + 1 },
      installation: { id: 1, node_id: 'MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uMQ==' },
    });
    return { body, signature: `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}` };
  });
}
