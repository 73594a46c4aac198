import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';

export const SECRET = 'bench-secret';
const TARGET_BYTES = 20_000;

interface Example {
  name: string;
  examples: { action?: string; number?: number; pull_request?: { id: number } }[];
}

export interface SignedBody {
  body: string;
  signature: string;
}

/** Real `pull_request` bodies, brought to about 20 KB and signed. Each is another pull request. */
export function signedBodies(count: number): SignedBody[] {
  const examples = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json') as Example[];
  const found = examples.find((example) => example.name === 'pull_request')?.examples;
  const opened = found?.find((example) => example.action === 'opened');
  if (!opened) throw new Error('there is no example of an opened pull request');
  const size = Buffer.byteLength(JSON.stringify(opened));
  const filler = 'Real descriptions are prose, with "quotes" and line ends.\n'.repeat(500);
  return Array.from({ length: count }, (_, index) => {
    const body = JSON.stringify({
      ...opened,
      number: index + 1,
      pull_request: { ...opened.pull_request, number: index + 1, id: index + 1 },
      description: filler.slice(0, Math.max(0, TARGET_BYTES - size)),
    });
    return { body, signature: `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}` };
  });
}
