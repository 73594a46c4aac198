/**
 * Brings the emulator's JSON to what GitHub sends: the front's URLs, whole seconds in times, pull requests whose head
 * follows their branch and whose counts are right, and issues that say when they are pull requests.
 */
import type { BareRepository } from './bare-repository.js';
import type { Emulator } from './emulator.js';
import { arrayOf, isObject, type JsonObject, numberAt, objectAt, objectOf, textAt } from './json.js';

const apiRoots = new Set(['repos', 'users', 'orgs', 'teams', 'repositories', 'app', 'installation', 'user']);

/** Turns the emulator's URL into the front's; API URLs get the prefix of an Enterprise Server. */
export function frontUrl(url: string, emulatorOrigin: string, origin: string): string {
  if (!url.startsWith(emulatorOrigin)) return url;
  const path = url.slice(emulatorOrigin.length);
  return `${origin}${apiRoots.has(path.split(/[/{?]/)[1] ?? '') ? '/api/v3' : ''}${path}`;
}

interface Comparison {
  commits: JsonObject[];
  files: JsonObject[];
}

export class Completion {
  readonly #emulator: Emulator;
  readonly #repository: BareRepository;
  readonly #api: string;
  readonly #origin: string;
  readonly #comparisons = new Map<string, Comparison>();
  readonly #pushedAt = new Map<number, string>();

  constructor(emulator: Emulator, repository: BareRepository, fullName: string, origin: string) {
    this.#emulator = emulator;
    this.#repository = repository;
    this.#api = `/repos/${fullName}`;
    this.#origin = origin;
  }

  /** Completes a parsed body in place, however deep its objects lie. */
  async complete(value: unknown): Promise<void> {
    const found: JsonObject[] = [];
    this.#walk(value, found);
    for (const object of found) {
      if (isObject(object.head) && isObject(object.base)) await this.#completePull(object);
      else if (typeof object.timeline_url === 'string') await this.#completeIssue(object);
    }
  }

  /** A push changes a pull request although the emulator does not say so. */
  touch(number: number): void {
    this.#pushedAt.set(number, `${new Date().toISOString().slice(0, 19)}Z`);
  }

  /** Commits and files between two commits, with the emulator's own objects. */
  async comparison(base: string, head: string): Promise<Comparison> {
    const key = `${base}...${head}`;
    const known = this.#comparisons.get(key);
    if (known !== undefined) return known;
    const token = this.#emulator.administratorToken;
    const answer = objectOf(await this.#emulator.json(`${this.#api}/compare/${key}`, { token }), 'the comparison');
    const comparison = { commits: arrayOf(answer.commits, 'commits'), files: arrayOf(answer.files, 'files') };
    this.#walk(comparison, []);
    this.#comparisons.set(key, comparison);
    return comparison;
  }

  /** The pull request as the API shows it now, or undefined when the number is not one. */
  async pull(number: number): Promise<JsonObject | undefined> {
    const token = this.#emulator.administratorToken;
    const answer = await this.#emulator.call(`${this.#api}/pulls/${number}`, { token });
    if (answer.status !== 200) return undefined;
    const pull = objectOf(JSON.parse(answer.body.toString('utf8')), 'the pull request');
    await this.complete(pull);
    return pull;
  }

  #walk(value: unknown, found: JsonObject[]): void {
    if (Array.isArray(value)) for (const item of value) this.#walk(item, found);
    if (!isObject(value)) return;
    if (typeof value.number === 'number') found.push(value);
    for (const [key, field] of Object.entries(value)) {
      if (typeof field !== 'string') this.#walk(field, found);
      else if (key === 'url' || key === 'href' || key.endsWith('_url'))
        value[key] = frontUrl(field, this.#emulator.origin, this.#origin);
      else if (key.endsWith('_at')) value[key] = field.replace(/\.\d{3}Z$/, 'Z');
    }
  }

  async #completePull(pull: JsonObject): Promise<void> {
    const number = numberAt(pull, 'number');
    const head = objectAt(pull, 'head');
    const emulated = textAt(head, 'sha');
    // A push may move it while this is only a read, which must not move it back.
    const sha = await this.#repository.resolveOrCreate(`refs/pull/${number}/head`, emulated);
    head.sha = sha;
    if (typeof pull.statuses_url === 'string') pull.statuses_url = pull.statuses_url.replace(emulated, sha);
    const link = isObject(pull._links) && isObject(pull._links.statuses) ? pull._links.statuses : undefined;
    if (typeof link?.href === 'string') link.href = link.href.replace(emulated, sha);
    const pushedAt = this.#pushedAt.get(number);
    if (pushedAt !== undefined && pushedAt > textAt(pull, 'updated_at')) pull.updated_at = pushedAt;
    if (typeof pull.additions !== 'number') return;
    const { commits, files } = await this.comparison(textAt(objectAt(pull, 'base'), 'sha'), sha);
    const sum = (key: string) => files.reduce((total, file) => total + numberAt(file, key), 0);
    Object.assign(pull, {
      commits: commits.length,
      additions: sum('additions'),
      deletions: sum('deletions'),
      changed_files: files.length,
    });
  }

  async #completeIssue(issue: JsonObject): Promise<void> {
    const number = numberAt(issue, 'number');
    const token = this.#emulator.administratorToken;
    const answer = await this.#emulator.call(`${this.#api}/pulls/${number}`, { token });
    if (answer.status !== 200) return;
    const pull = objectOf(JSON.parse(answer.body.toString('utf8')), 'the pull request');
    this.#walk(pull, []);
    issue.html_url = pull.html_url;
    issue.draft = pull.draft;
    issue.pull_request = {
      url: pull.url,
      html_url: pull.html_url,
      diff_url: pull.diff_url,
      patch_url: pull.patch_url,
      merged_at: pull.merged_at,
    };
  }
}
