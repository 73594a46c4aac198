/** What GitHub does after branches moved: `push` webhooks, and `synchronize` for the pull requests of a branch. */
import { type BareRepository, noCommit, type RefChange } from './bare-repository.js';
import type { Completion } from './completion.js';
import type { Emulator } from './emulator.js';
import { arrayOf, type JsonObject, numberAt, textAt } from './json.js';
import type { PayloadFrame } from './payload-frame.js';
import type { WebhookSender } from './webhook-sender.js';

/** Separators that no commit message holds. */
const field = '\x1f';
const record = '\x1e';

export interface PushEventsOptions {
  repository: BareRepository;
  emulator: Emulator;
  completion: Completion;
  frame: PayloadFrame;
  sender: WebhookSender;
  events: readonly string[];
  owner: string;
  fullName: string;
}

export class PushEvents {
  readonly #options: PushEventsOptions;

  constructor(options: PushEventsOptions) {
    this.#options = options;
  }

  /** Moves the heads of open pull requests, then queues the webhooks of these changes. */
  async announce(changes: readonly RefChange[], login: string): Promise<void> {
    for (const change of changes) {
      const pulls = await this.#openPullsOf(change);
      for (const number of pulls) {
        await this.#options.repository.setRef(`refs/pull/${number}/head`, change.after);
        this.#options.completion.touch(number);
      }
      if (change.after === noCommit) await this.#send('delete', await this.#deletePayload(change, login));
      await this.#send('push', await this.#pushPayload(change, login));
      for (const number of pulls)
        await this.#send('pull_request', await this.#synchronizePayload(change, number, login));
    }
  }

  async #send(event: string, payload: JsonObject): Promise<void> {
    const { events, frame, sender } = this.#options;
    if (!frame.installed || !events.includes(event)) return;
    // Not awaited: GitHub answers the push before the App has its webhook.
    void sender.send(event, await frame.around(payload));
  }

  async #openPullsOf({ ref, before, after }: RefChange): Promise<number[]> {
    if (!ref.startsWith('refs/heads/') || before === noCommit || after === noCommit) return [];
    const { emulator, fullName, owner } = this.#options;
    const head = encodeURIComponent(`${owner}:${ref.slice('refs/heads/'.length)}`);
    const path = `/repos/${fullName}/pulls?state=open&per_page=100&head=${head}`;
    const listed = await emulator.json(path, { token: emulator.administratorToken });
    return arrayOf(listed, 'the pull requests').map((pull) => numberAt(pull, 'number'));
  }

  async #deletePayload({ ref }: RefChange, login: string): Promise<JsonObject> {
    const type = ref.startsWith('refs/tags/') ? 'tag' : 'branch';
    return { ref, ref_type: type, sender: await this.#options.frame.user(login) };
  }

  async #synchronizePayload({ before, after }: RefChange, number: number, login: string): Promise<JsonObject> {
    const pull = await this.#options.completion.pull(number);
    if (pull === undefined) throw new Error(`pull request ${number} is gone`);
    return {
      action: 'synchronize',
      number,
      before,
      after,
      pull_request: pull,
      sender: await this.#options.frame.user(login),
    };
  }

  async #pushPayload({ ref, before, after }: RefChange, login: string): Promise<JsonObject> {
    const { frame } = this.#options;
    const created = before === noCommit;
    const deleted = after === noCommit;
    const commits = deleted ? [] : await this.#commits(created ? after : `${before}..${after}`, created);
    const sender = await frame.user(login);
    const web = textAt(await frame.repository(), 'html_url');
    return {
      ref,
      before,
      after,
      created,
      deleted,
      forced: !created && !deleted && !(await this.#isAncestor(before, after)),
      base_ref: null,
      compare:
        created || deleted ? `${web}/commit/${after}` : `${web}/compare/${before.slice(0, 12)}...${after.slice(0, 12)}`,
      commits,
      head_commit: commits.at(-1) ?? null,
      pusher: { name: login, email: `${login}@users.noreply.github.com` },
      sender,
    };
  }

  async #isAncestor(before: string, after: string): Promise<boolean> {
    const count = await this.#options.repository.git(['rev-list', '--count', before, `^${after}`, '--']);
    return count.toString().trim() === '0';
  }

  /** Oldest first; of a new branch only what the default branch does not have. */
  async #commits(range: string, isNew: boolean): Promise<JsonObject[]> {
    const { repository } = this.#options;
    const main = isNew ? await repository.resolve('refs/heads/main') : undefined;
    const format = ['%H', '%T', '%aN', '%aE', '%cN', '%cE', '%cI', '%B'].join('%x1f');
    const exclude = main === undefined || main === range ? [] : [`^${main}`];
    const listed = await repository.git([
      'log',
      '--reverse',
      '--max-count=2048',
      `--format=${format}%x1e`,
      range,
      ...exclude,
      '--',
    ]);
    const web = textAt(await this.#options.frame.repository(), 'html_url');
    const commits: JsonObject[] = [];
    for (const text of listed.toString('utf8').split(record)) {
      const [id, tree, authorName, authorEmail, committerName, committerEmail, timestamp, message] = text
        .trimStart()
        .split(field);
      if (!id) continue;
      commits.push({
        id,
        tree_id: tree,
        distinct: true,
        message: message?.trimEnd() ?? '',
        timestamp,
        url: `${web}/commit/${id}`,
        author: personOf(authorName, authorEmail),
        committer: personOf(committerName, committerEmail),
        ...(await this.#filesOf(id)),
      });
    }
    return commits;
  }

  async #filesOf(sha: string): Promise<{ added: string[]; removed: string[]; modified: string[] }> {
    const listed = await this.#options.repository.git([
      'diff-tree',
      '--root',
      '--no-commit-id',
      '--name-status',
      '-r',
      '-z',
      sha,
    ]);
    const parts = listed.toString('utf8').split('\0');
    const files = { added: [] as string[], removed: [] as string[], modified: [] as string[] };
    for (let at = 0; at + 1 < parts.length; at += 2) {
      const list = parts[at] === 'A' ? files.added : parts[at] === 'D' ? files.removed : files.modified;
      list.push(parts[at + 1] ?? '');
    }
    return files;
  }
}

/** GitHub adds the login when the e-mail belongs to an account; here only the no-reply addresses do. */
function personOf(name = '', email = ''): JsonObject {
  const login = /^(?:\d+\+)?(.+)@users\.noreply\.github\.com$/.exec(email)?.[1];
  return { name, email, ...(login === undefined ? {} : { username: login }) };
}
