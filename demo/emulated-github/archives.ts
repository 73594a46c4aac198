/** Archives of commits: as on GitHub the API answers with a signed address, and the archive is read there. */
import { randomBytes } from 'node:crypto';
import type { BareRepository } from './bare-repository.js';
import { type ApiAnswer, ApiProblem } from './exchange.js';

export class Archives {
  readonly #repository: BareRepository;
  readonly #fullName: string;
  readonly #origin: string;
  /** Each is good for one archive, once. */
  readonly #tokens = new Map<string, string>();

  constructor(repository: BareRepository, fullName: string, origin: string) {
    this.#repository = repository;
    this.#fullName = fullName;
    this.#origin = origin;
  }

  /** @throws ApiProblem 404 when there is no such commit */
  async address(ref: string): Promise<ApiAnswer> {
    const sha = (await this.#repository.resolve(`refs/heads/${ref}`)) ?? ref;
    if (!/^[0-9a-f]{40}$/.test(sha) || !(await this.#repository.has(sha))) throw new ApiProblem(404, 'Not Found');
    const token = randomBytes(16).toString('hex');
    this.#tokens.set(token, sha);
    const location = `${this.#origin}/_codeload/${this.#fullName}/legacy.tar.gz/${sha}?token=${token}`;
    return { status: 302, headers: { location } };
  }

  /** @throws ApiProblem 404 when the address was not given out for this commit, or was read already */
  async read(sha: string, token: string | null): Promise<ApiAnswer> {
    if (token === null || this.#tokens.get(token) !== sha) throw new ApiProblem(404, 'Not Found');
    this.#tokens.delete(token);
    const prefix = `${this.#fullName.replace('/', '-')}-${sha.slice(0, 7)}/`;
    const body = await this.#repository.git(['archive', '--format=tar.gz', `--prefix=${prefix}`, sha]);
    return { status: 200, headers: { 'content-type': 'application/x-gzip' }, body };
  }
}
