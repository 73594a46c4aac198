/**
 * Keeps the bare repository and the emulator's git data the same, object by object. Both compute git's own hashes,
 * so every object must get the same SHA on the other side; one that does not stops the copy with an error.
 */
import { type BareRepository, changesBetween, noCommit, type RefChange, type Refs } from './bare-repository.js';
import type { Emulator } from './emulator.js';
import { arrayOf, type JsonObject, objectAt, objectOf, textAt } from './json.js';

/** As many as the API gives at a time. */
const PER_PAGE = 100;

interface Person {
  name: string;
  email: string;
  /** ISO 8601 with the author's own offset. */
  date: string;
}

interface TreeEntry {
  mode: string;
  type: string;
  sha: string;
  path: string;
}

function assertSame(kind: string, expected: string, actual: string): void {
  if (expected !== actual) throw new Error(`the ${kind} ${expected} became ${actual} in the copy`);
}

/** `Ann <a@b> 1700000000 +0100` as the API writes it. */
function personOf(line: string): Person {
  const [, name, email, seconds, sign, hours, minutes] = /^(.*) <(.*)> (\d+) ([+-])(\d\d)(\d\d)$/.exec(line) ?? [];
  if (name === undefined || email === undefined) throw new Error(`git wrote an author that cannot be read: ${line}`);
  const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  const local = new Date((Number(seconds) + offset * 60) * 1000).toISOString().slice(0, 19);
  return { name, email, date: `${local}${sign}${hours}:${minutes}` };
}

/** The reverse of {@link personOf}; the API answers with the date it was given, or with `Z`. */
function lineOf(person: JsonObject): string {
  const date = textAt(person, 'date');
  const zone = /([+-]\d\d):?(\d\d)$/.exec(date);
  const offset = zone ? `${zone[1]}${zone[2]}` : '+0000';
  return `${textAt(person, 'name')} <${textAt(person, 'email')}> ${Math.floor(Date.parse(date) / 1000)} ${offset}`;
}

export class ObjectMirror {
  readonly #repository: BareRepository;
  readonly #emulator: Emulator;
  readonly #api: string;
  readonly #known = new Set<string>();

  constructor(repository: BareRepository, emulator: Emulator, fullName: string) {
    this.#repository = repository;
    this.#emulator = emulator;
    this.#api = `/repos/${fullName}`;
  }

  /** After a push: copies what is new into the emulator and moves its refs, all in the name of `token`. */
  async toEmulator(changes: readonly RefChange[], before: Refs, token: string): Promise<void> {
    for (const sha of await this.#newCommits(changes, before)) await this.#uploadCommit(sha, token);
    for (const { ref, before: from, after } of changes) {
      const path = `${this.#api}/git/refs`;
      const named = `${path}/${ref.replace(/^refs\//, '')}`;
      if (after === noCommit) await this.#emulator.json(named, { method: 'DELETE', token });
      else if (from === noCommit) await this.#emulator.json(path, { method: 'POST', token, body: { ref, sha: after } });
      else await this.#emulator.json(named, { method: 'PATCH', token, body: { sha: after, force: true } });
    }
  }

  /** After the API changed refs (a merge, an edited file): copies what is new into the bare repository. */
  async fromEmulator(token: string): Promise<RefChange[]> {
    const branches = (await this.#branches(token)).map(
      (branch) => [`refs/heads/${textAt(branch, 'name')}`, textAt(objectAt(branch, 'commit'), 'sha')] as const,
    );
    const tags = [...(await this.#repository.refs())].filter(([ref]) => ref.startsWith('refs/tags/'));
    const changes = changesBetween(await this.#repository.refs(), new Map([...branches, ...tags]));
    for (const { ref, after } of changes) {
      if (after !== noCommit) await this.#downloadCommit(after, token);
      await this.#repository.setRef(ref, after);
    }
    return changes;
  }

  /** All of them: one that is not listed counts as deleted. */
  async #branches(token: string): Promise<JsonObject[]> {
    const all: JsonObject[] = [];
    for (let page = 1; ; page += 1) {
      const path = `${this.#api}/branches?per_page=${PER_PAGE}&page=${page}`;
      const listed = arrayOf(await this.#emulator.json(path, { token }), 'the branches');
      all.push(...listed);
      if (listed.length < PER_PAGE) return all;
    }
  }

  async #newCommits(changes: readonly RefChange[], before: Refs): Promise<string[]> {
    const tips = changes.map((change) => change.after).filter((sha) => sha !== noCommit);
    if (tips.length === 0) return [];
    const old = [...before.values()].map((sha) => `^${sha}`);
    const listed = await this.#repository.git(['rev-list', '--topo-order', '--reverse', ...tips, ...old, '--']);
    return listed
      .toString()
      .split('\n')
      .filter((line) => line !== '');
  }

  async #create(kind: 'blob' | 'tree' | 'commit', sha: string, body: JsonObject, token: string): Promise<void> {
    const answer = await this.#emulator.json(`${this.#api}/git/${kind}s`, { method: 'POST', token, body });
    assertSame(kind, sha, textAt(objectOf(answer, `the ${kind}`), 'sha'));
    this.#known.add(sha);
  }

  async #uploadCommit(sha: string, token: string): Promise<void> {
    const text = (await this.#repository.git(['cat-file', 'commit', sha])).toString('utf8');
    const split = text.indexOf('\n\n');
    const headers = text
      .slice(0, split)
      .split('\n')
      .map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)] as const);
    const header = (name: string) => headers.find(([key]) => key === name)?.[1] ?? '';
    await this.#uploadTree(header('tree'), token);
    const parents = headers.flatMap(([key, value]) => (key === 'parent' ? [value] : []));
    const body = {
      message: text.slice(split + 2),
      tree: header('tree'),
      parents,
      author: personOf(header('author')),
      committer: personOf(header('committer')),
    };
    await this.#create('commit', sha, body, token);
  }

  async #uploadTree(sha: string, token: string): Promise<void> {
    if (this.#known.has(sha)) return;
    const listed = (await this.#repository.git(['ls-tree', '-z', sha])).toString('utf8');
    const entries: TreeEntry[] = [];
    for (const line of listed.split('\0').filter((part) => part !== '')) {
      const [, mode, type, entrySha, path] = /^(\d+) (\w+) ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
      if (!mode || !type || !entrySha || !path) throw new Error(`git wrote a tree entry that cannot be read: ${line}`);
      entries.push({ mode, type, sha: entrySha, path });
      if (type === 'tree') await this.#uploadTree(entrySha, token);
      else if (type === 'blob') await this.#uploadBlob(entrySha, token);
    }
    await this.#create('tree', sha, { tree: entries }, token);
  }

  async #uploadBlob(sha: string, token: string): Promise<void> {
    if (this.#known.has(sha)) return;
    const content = (await this.#repository.git(['cat-file', 'blob', sha])).toString('base64');
    await this.#create('blob', sha, { content, encoding: 'base64' }, token);
  }

  async #downloadCommit(sha: string, token: string): Promise<void> {
    if (await this.#repository.has(sha)) return;
    const commit = objectOf(await this.#emulator.json(`${this.#api}/git/commits/${sha}`, { token }), 'the commit');
    const tree = textAt(objectAt(commit, 'tree'), 'sha');
    const parents = arrayOf(commit.parents, 'the parents').map((parent) => textAt(parent, 'sha'));
    for (const parent of parents) await this.#downloadCommit(parent, token);
    await this.#downloadTree(tree, token);
    const message = textAt(commit, 'message');
    const lines = [
      `tree ${tree}`,
      ...parents.map((parent) => `parent ${parent}`),
      `author ${lineOf(objectAt(commit, 'author'))}`,
      `committer ${lineOf(objectAt(commit, 'committer'))}`,
    ];
    const text = `${lines.join('\n')}\n\n${message.endsWith('\n') ? message : `${message}\n`}`;
    assertSame('commit', sha, await this.#write(['hash-object', '-w', '-t', 'commit', '--stdin'], text));
  }

  async #downloadTree(sha: string, token: string): Promise<void> {
    if (await this.#repository.has(sha)) return;
    const tree = objectOf(await this.#emulator.json(`${this.#api}/git/trees/${sha}`, { token }), 'the tree');
    const entries = arrayOf(tree.tree, 'the tree');
    for (const entry of entries) {
      if (textAt(entry, 'type') === 'tree') await this.#downloadTree(textAt(entry, 'sha'), token);
      else await this.#downloadBlob(textAt(entry, 'sha'), token);
    }
    const listed = entries.map(
      (entry) =>
        `${textAt(entry, 'mode')} ${textAt(entry, 'type')} ${textAt(entry, 'sha')}\t${textAt(entry, 'path')}\0`,
    );
    assertSame('tree', sha, await this.#write(['mktree', '-z'], listed.join('')));
  }

  async #downloadBlob(sha: string, token: string): Promise<void> {
    if (await this.#repository.has(sha)) return;
    const blob = objectOf(await this.#emulator.json(`${this.#api}/git/blobs/${sha}`, { token }), 'the blob');
    const content = Buffer.from(textAt(blob, 'content'), 'base64');
    assertSame('blob', sha, await this.#write(['hash-object', '-w', '-t', 'blob', '--stdin'], content));
  }

  async #write(args: readonly string[], input: Buffer | string): Promise<string> {
    return (await this.#repository.git(args, input)).toString().trim();
  }
}
