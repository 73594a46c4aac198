/** The emulated GitHub of the demo, and people who use its API. */
import { randomBytes } from 'node:crypto';
import { readAppManifest } from '../../demo/app-manifest.js';
import { type EmulatedGitHub, startEmulatedGitHub } from '../../demo/emulated-github/emulated-github.js';
import { numberAt, objectAt, objectOf, textAt } from '../../demo/emulated-github/json.js';
import { configurationOf, mention, messageFor, type People } from './people.js';

const APP = { id: 7, slug: 'forgeway-chaos', installationId: 4711 };

export interface GitHubForge {
  /** Where it really listens. */
  port: number;
  /** What Forgeway must be told. */
  settings: Record<string, string>;
  /** Makes the first commit and installs the App. */
  begin(): Promise<void>;
  people: People;
  /** When every webhook so far has been answered. */
  settled(): Promise<void>;
  problems(): readonly string[];
  close(): Promise<void>;
}

export interface GitHubForgeOptions {
  folder: string;
  publicUrl: string;
  webhookUrl: string;
  owner: string;
  repository: string;
  logins: readonly string[];
  /** Of the App's webhook; default: a random one. */
  webhookSecret?: string;
}

export async function startGitHubForge(options: GitHubForgeOptions): Promise<GitHubForge> {
  const { folder, publicUrl, webhookUrl, owner, repository, logins } = options;
  const tokens = Object.fromEntries(logins.map((login) => [login, randomBytes(20).toString('hex')]));
  const { webhookSecret = randomBytes(32).toString('hex') } = options;
  const problems: string[] = [];
  const manifest = await readAppManifest(process.cwd());
  // As whoever adds apps to theirs: `dco-check` writes checks, which Forgeway's own App may only read.
  const permissions = { ...manifest.permissions, checks: 'write' };
  const github: EmulatedGitHub = await startEmulatedGitHub({
    port: 0,
    publicUrl,
    directory: folder,
    owner,
    repository,
    app: { ...APP, ...manifest, permissions, webhookSecret },
    webhookUrl,
    writers: tokens,
    onError: (error) => problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  });
  const { port } = new URL(github.innerUrl);
  const api = `${github.innerUrl}/api/v3`;
  const here = `/repos/${owner}/${repository}`;

  async function ask(login: string, method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${api}${path}`, {
      method,
      headers: { authorization: `Bearer ${tokens[login]}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`GitHub answered ${response.status} to ${method} ${path}: ${text} ${problems.at(-1) ?? ''}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async function put(login: string, branch: string, path: string, content: string, message: string): Promise<string> {
    const author = { name: login, email: `${login}@example.com` };
    const answer = await ask(login, 'PUT', `${here}/contents/${path}`, {
      branch,
      message,
      content: Buffer.from(content).toString('base64'),
      author,
      committer: author,
    });
    return textAt(objectAt(objectOf(answer, 'the answer'), 'commit'), 'sha');
  }

  async function head(login: string): Promise<string> {
    const ref = objectOf(await ask(login, 'GET', `${here}/git/ref/heads/main`), 'the ref');
    return textAt(objectAt(ref, 'object'), 'sha');
  }

  return {
    port: Number(port),
    settings: {
      APP_ID: String(APP.id),
      PRIVATE_KEY: github.privateKey,
      WEBHOOK_SECRET: webhookSecret,
      GHE_HOST: github.host,
      GHE_PROTOCOL: 'http',
    },
    async begin() {
      const [first = ''] = logins;
      // The emulator does not list pull requests among issues, so `welcome` would take each for a person's first.
      const files = { 'README.md': '# web\n', ...configurationOf(repository, ['issue']) };
      for (const [path, content] of Object.entries(files)) await put(first, 'main', path, content, `Add ${path}`);
      await ask(first, 'POST', `/apps/${APP.slug}/installations`);
    },
    people: {
      async openIssue(login, token) {
        const json = { title: `Issue ${token}`, body: mention(token) };
        return { number: numberAt(objectOf(await ask(login, 'POST', `${here}/issues`, json), 'the issue'), 'number') };
      },
      async comment(login, number, token) {
        await ask(login, 'POST', `${here}/issues/${number}/comments`, { body: `/mark ${mention(token)}` });
        return {};
      },
      async openPullRequest(login, token) {
        await ask(login, 'POST', `${here}/git/refs`, { ref: `refs/heads/${token}`, sha: await head(login) });
        const sha = await put(login, token, `docs/${token}.md`, `${token}\n`, messageFor(login, token));
        const json = { title: `feat: ${token}`, body: mention(token), head: token, base: 'main' };
        const opened = objectOf(await ask(login, 'POST', `${here}/pulls`, json), 'the pull request');
        return { number: numberAt(opened, 'number'), sha };
      },
      async pushAgain(login, token, count) {
        const message = messageFor(login, `${token}.${count}`);
        return { sha: await put(login, token, `docs/${token}-${count}.md`, `${count}\n`, message) };
      },
      async close(login, number) {
        await ask(login, 'PATCH', `${here}/pulls/${number}`, { state: 'closed' });
        return {};
      },
      async push(login, token) {
        return { sha: await put(login, 'main', `notes/${token}.md`, `${token}\n`, messageFor(login, token)) };
      },
    },
    settled: () => github.settled(),
    problems: () => problems,
    close: () => github.close(),
  };
}
