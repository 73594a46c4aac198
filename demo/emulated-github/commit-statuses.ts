/** Commit statuses, which the emulator does not have: create, list, and the combined state. */
import type { BareRepository } from './bare-repository.js';
import type { Emulator } from './emulator.js';
import { type ApiAnswer, ApiProblem, type ApiRequest, jsonBody, pageOf } from './exchange.js';
import type { JsonObject } from './json.js';
import type { PayloadFrame } from './payload-frame.js';
import type { WebhookSender } from './webhook-sender.js';

const states = ['error', 'failure', 'pending', 'success'];
const contextLimit = 1000;
const descriptionLimit = 140;

export interface CommitStatusesOptions {
  repository: BareRepository;
  frame: PayloadFrame;
  sender: WebhookSender;
  events: readonly string[];
  emulator: Emulator;
  fullName: string;
  /** API URL of the repository. */
  apiUrl: string;
}

export class CommitStatuses {
  readonly #repository: BareRepository;
  readonly #frame: PayloadFrame;
  readonly #api: string;
  readonly #options: CommitStatusesOptions;
  readonly #statuses: { sha: string; status: JsonObject }[] = [];

  constructor(options: CommitStatusesOptions) {
    this.#options = options;
    this.#repository = options.repository;
    this.#frame = options.frame;
    this.#api = options.apiUrl;
  }

  async create(request: ApiRequest, sha: string, login: string): Promise<ApiAnswer> {
    const { state, context = 'default', description = null, target_url = null } = jsonBody(request);
    if (typeof state !== 'string' || !states.includes(state))
      throw new ApiProblem(422, `Validation Failed: state must be one of ${states.join(', ')}`);
    if (typeof context !== 'string' || context.length > contextLimit)
      throw new ApiProblem(422, 'Validation Failed: context');
    if (description !== null && (typeof description !== 'string' || description.length > descriptionLimit))
      throw new ApiProblem(
        422,
        `Validation Failed: description is too long (maximum is ${descriptionLimit} characters)`,
      );
    if (target_url !== null && (typeof target_url !== 'string' || !/^https?:\/\//.test(target_url)))
      throw new ApiProblem(422, 'Validation Failed: target_url must use http(s) scheme');
    if (!/^[0-9a-f]{40}$/.test(sha) || !(await this.#repository.has(sha)))
      throw new ApiProblem(422, `No commit found for SHA: ${sha}`);
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const id = this.#statuses.length + 1;
    const status = {
      url: `${this.#api}/statuses/${sha}`,
      id,
      node_id: Buffer.from(`0:StatusContext${id}`).toString('base64'),
      state,
      description,
      target_url,
      context,
      created_at: now,
      updated_at: now,
      creator: await this.#frame.user(login),
    };
    this.#statuses.push({ sha, status });
    await this.#announce(sha, status);
    return { status: 201, json: status };
  }

  /** All statuses of a commit, newest first. */
  async list(ref: string, query: URLSearchParams): Promise<ApiAnswer> {
    return { status: 200, json: pageOf(this.#of(await this.#commit(ref)), query) };
  }

  /** The newest status of each context, and the state they make together. */
  async combined(ref: string): Promise<ApiAnswer> {
    const sha = await this.#commit(ref);
    const statuses = this.newest(sha);
    const is = (state: string) => statuses.some((status) => status.state === state);
    const state =
      is('failure') || is('error') ? 'failure' : is('pending') || statuses.length === 0 ? 'pending' : 'success';
    const url = `${this.#api}/commits/${sha}`;
    const repository = await this.#frame.repository();
    return {
      status: 200,
      json: { state, statuses, sha, total_count: statuses.length, repository, commit_url: url, url: `${url}/status` },
    };
  }

  /** The newest status of each context. */
  newest(sha: string): JsonObject[] {
    const newest = new Map<unknown, JsonObject>();
    for (const status of this.#of(sha)) if (!newest.has(status.context)) newest.set(status.context, status);
    return [...newest.values()];
  }

  async #announce(sha: string, status: JsonObject): Promise<void> {
    const { emulator, events, fullName, sender } = this.#options;
    if (!this.#frame.installed || !events.includes('status')) return;
    const { id, state, description, target_url, context, created_at, updated_at, creator } = status;
    const token = emulator.administratorToken;
    const commit = await emulator.json(`/repos/${fullName}/commits/${sha}`, { token });
    const payload = {
      id,
      sha,
      name: fullName,
      state,
      description,
      target_url,
      context,
      commit,
      created_at,
      updated_at,
    };
    const branches = [...(await this.#repository.refs())]
      .filter(([ref, tip]) => tip === sha && ref.startsWith('refs/heads/'))
      .map(([ref]) => ({ name: ref.slice('refs/heads/'.length), commit: { sha, url: `${this.#api}/commits/${sha}` } }));
    // Not awaited: whoever sets a status does not wait for the webhook about it.
    void sender.send('status', await this.#frame.around({ ...payload, branches, sender: creator }));
  }

  #of(sha: string): JsonObject[] {
    return this.#statuses.flatMap((entry) => (entry.sha === sha ? [entry.status] : [])).reverse();
  }

  async #commit(ref: string): Promise<string> {
    if (/^[0-9a-f]{40}$/.test(ref) && (await this.#repository.has(ref))) return ref;
    const sha = await this.#repository.resolve(
      ref.startsWith('refs/') ? ref : `refs/heads/${ref.replace(/^heads\//, '')}`,
    );
    if (sha === undefined) throw new ApiProblem(422, `No commit found for SHA: ${ref}`);
    return sha;
  }
}
