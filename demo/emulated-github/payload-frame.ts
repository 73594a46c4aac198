/** What every webhook of an App carries around its event: repository, organization, installation, sender. */
import type { Completion } from './completion.js';
import type { EmulatedApp, Emulator } from './emulator.js';
import { type JsonObject, objectOf } from './json.js';

export interface PayloadFrameOptions {
  emulator: Emulator;
  completion: Completion;
  app: EmulatedApp;
  owner: string;
  fullName: string;
}

export class PayloadFrame {
  readonly #options: PayloadFrameOptions;
  /** False before the App is installed and while it is suspended: nothing is sent then. */
  installed = false;

  constructor(options: PayloadFrameOptions) {
    this.#options = options;
  }

  /** See {@link Completion.complete}. */
  complete(value: unknown): Promise<void> {
    return this.#options.completion.complete(value);
  }

  async repository(): Promise<JsonObject> {
    return this.#read(`/repos/${this.#options.fullName}`);
  }

  async user(login: string): Promise<JsonObject> {
    const user = await this.#read(`/users/${encodeURIComponent(login)}`);
    const keys = ['login', 'id', 'node_id', 'avatar_url', 'gravatar_id', 'url', 'html_url', 'type', 'site_admin'];
    return Object.fromEntries(keys.map((key) => [key, user[key]]));
  }

  async organization(): Promise<JsonObject> {
    const organization = await this.#read(`/orgs/${this.#options.owner}`);
    const keys = ['login', 'id', 'node_id', 'url', 'repos_url', 'avatar_url', 'description'];
    return Object.fromEntries(keys.map((key) => [key, organization[key]]));
  }

  /** Adds what GitHub puts into every payload of this repository, where it is not there yet. */
  async around(payload: JsonObject): Promise<JsonObject> {
    const { app, completion } = this.#options;
    const pull = payload.pull_request;
    const framed: JsonObject = {
      ...payload,
      ...(pull !== undefined && payload.number === undefined
        ? { number: objectOf(pull, 'the pull request').number }
        : {}),
      ...(typeof payload.ref_type === 'string' ? refFieldsOf(payload) : {}),
      ...(payload.action === 'edited' && payload.changes === undefined ? { changes: {} } : {}),
      repository: payload.repository ?? (await this.repository()),
      organization: payload.organization ?? (await this.organization()),
      installation: {
        id: app.installationId,
        node_id: Buffer.from(`0:Installation${app.installationId}`).toString('base64'),
      },
    };
    await completion.complete(framed);
    return framed;
  }

  async #read(path: string): Promise<JsonObject> {
    const { emulator, completion } = this.#options;
    const object = objectOf(await emulator.json(path, { token: emulator.administratorToken }), path);
    await completion.complete(object);
    return object;
  }
}

/** `create` and `delete` name the branch without its prefix. */
function refFieldsOf({ ref, description = null }: JsonObject): JsonObject {
  return { ref: String(ref).replace(/^refs\/(heads|tags)\//, ''), description, pusher_type: 'user' };
}
