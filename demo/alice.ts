/** Alice, who works on the demo repository with git and with GitHub's API, as any person does. */
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runGit } from './emulated-github/bare-repository.js';
import { arrayOf, type JsonObject, numberAt, objectOf } from './emulated-github/json.js';

export interface AliceOptions {
  /** Origin of the emulated GitHub. */
  origin: string;
  token: string;
  /** `acme/web`. */
  repository: string;
  clone: string;
}

const identity = {
  GIT_AUTHOR_NAME: 'Alice',
  GIT_AUTHOR_EMAIL: 'alice@users.noreply.github.com',
  GIT_COMMITTER_NAME: 'Alice',
  GIT_COMMITTER_EMAIL: 'alice@users.noreply.github.com',
};

export class Alice {
  readonly #options: AliceOptions;

  constructor(options: AliceOptions) {
    this.#options = options;
  }

  /** Puts the project into the empty repository, as the first commit of the default branch. */
  async createProject(from: string): Promise<void> {
    const { clone, origin, repository, token } = this.#options;
    const remote = `${origin.replace('://', `://alice:${token}@`)}/${repository}.git`;
    await runGit('/', ['clone', '--quiet', remote, clone]);
    await this.git('checkout', '--quiet', '-b', 'main');
    await cp(from, clone, { recursive: true });
    await this.commit('The first page');
    await this.push('main');
  }

  async git(...args: string[]): Promise<string> {
    return (await runGit(this.#options.clone, args, { env: identity })).toString('utf8').trim();
  }

  /** From what the forge has by now: what was merged there is not undone by the next pull request. */
  async branch(name: string): Promise<void> {
    await this.git('fetch', '--quiet', 'origin', 'main');
    await this.git('checkout', '--quiet', '-b', name, 'FETCH_HEAD');
  }

  async changeHeadline(text: string): Promise<void> {
    await writeFile(join(this.#options.clone, 'site/headline.txt'), `${text}\n`);
  }

  /** Relative to the repository; what is there already is replaced. */
  async writeFiles(files: Record<string, string>): Promise<void> {
    for (const [path, text] of Object.entries(files)) await writeFile(join(this.#options.clone, path), text);
  }

  /** Commits everything; the answer is the SHA that git gives it. */
  async commit(message: string): Promise<string> {
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--message', message);
    return this.git('rev-parse', 'HEAD');
  }

  async push(branch: string): Promise<void> {
    await this.git('push', '--quiet', 'origin', branch);
  }

  async installApp(slug: string): Promise<void> {
    await this.api('POST', `/apps/${slug}/installations`);
  }

  async openPullRequest(head: string, title: string, body: string): Promise<number> {
    const opened = await this.api('POST', `/repos/${this.#options.repository}/pulls`, {
      head,
      base: 'main',
      title,
      body,
    });
    return numberAt(objectOf(opened, 'the pull request'), 'number');
  }

  async openIssue(title: string, body: string): Promise<number> {
    const opened = await this.api('POST', `/repos/${this.#options.repository}/issues`, { title, body });
    return numberAt(objectOf(opened, 'the issue'), 'number');
  }

  async comment(number: number, body: string): Promise<void> {
    await this.api('POST', `/repos/${this.#options.repository}/issues/${number}/comments`, { body });
  }

  async merge(number: number): Promise<void> {
    await this.api('PUT', `/repos/${this.#options.repository}/pulls/${number}/merge`, { merge_method: 'merge' });
  }

  async close(number: number): Promise<void> {
    await this.api('PATCH', `/repos/${this.#options.repository}/pulls/${number}`, { state: 'closed' });
  }

  async comments(number: number): Promise<JsonObject[]> {
    return arrayOf(
      await this.api('GET', `/repos/${this.#options.repository}/issues/${number}/comments?per_page=100`),
      'comments',
    );
  }

  /** All statuses that a commit ever had, newest first. */
  async statusHistory(sha: string): Promise<JsonObject[]> {
    return arrayOf(await this.api('GET', `/repos/${this.#options.repository}/commits/${sha}/statuses`), 'the statuses');
  }

  /** @throws Error with GitHub's answer when the status is not 2xx. */
  async api(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#options.origin}/api/v3${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#options.token}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`GitHub answered ${response.status} to ${method} ${path}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
}
