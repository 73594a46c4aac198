/** The App's installation: installing and removing it, its tokens, its repositories, its webhook deliveries. */
import type { EmulatedApp, Emulator } from './emulator.js';
import { type ApiAnswer, ApiProblem, type ApiRequest, pageOf } from './exchange.js';
import { listDeliveries } from './hook-deliveries.js';
import { objectAt, objectOf, textAt } from './json.js';
import type { PayloadFrame } from './payload-frame.js';
import type { Tokens } from './tokens.js';
import type { WebhookSender } from './webhook-sender.js';

export interface InstallationOptions {
  app: EmulatedApp;
  emulator: Emulator;
  frame: PayloadFrame;
  sender: WebhookSender;
  tokens: Tokens;
}

export class Installation {
  readonly #options: InstallationOptions;
  #state: 'absent' | 'active' | 'suspended' = 'absent';

  constructor(options: InstallationOptions) {
    this.#options = options;
  }

  get exists(): boolean {
    return this.#state !== 'absent';
  }

  /** What a person does in the browser at `/apps/<slug>/installations/new`. */
  async install(login: string): Promise<ApiAnswer> {
    if (this.exists) throw new ApiProblem(422, 'The App is already installed.');
    await this.#become('active', 'created', login);
    return { status: 201, json: { id: this.#options.app.installationId, app_slug: this.#options.app.slug } };
  }

  async remove(request: ApiRequest, login: string): Promise<ApiAnswer> {
    await this.assertApp(request);
    if (!this.exists) throw new ApiProblem(404, 'Not Found');
    await this.#become('absent', 'deleted', login);
    return { status: 204 };
  }

  async suspend(request: ApiRequest, suspended: boolean, login: string): Promise<ApiAnswer> {
    await this.assertApp(request);
    if (!this.exists) throw new ApiProblem(404, 'Not Found');
    await this.#become(suspended ? 'suspended' : 'active', suspended ? 'suspend' : 'unsuspend', login);
    return { status: 204 };
  }

  /** Lets the emulator verify the App's JSON web token and give out a token, then remembers it. */
  async createToken(request: ApiRequest): Promise<ApiAnswer> {
    const { emulator, tokens, app } = this.#options;
    await this.assertApp(request);
    if (!this.exists) throw new ApiProblem(404, 'Not Found');
    if (this.#state === 'suspended') throw new ApiProblem(403, 'This installation has been suspended');
    const body = request.body.length === 0 ? {} : request.body;
    const answer = await emulator.call(request.path, { method: 'POST', token: request.token, body });
    const parsed: unknown = JSON.parse(answer.body.toString('utf8'));
    if (answer.status === 201) {
      const minted = objectOf(parsed, 'the token');
      const granted = Object.entries(objectAt(minted, 'permissions')).map(([name, level]) => [name, String(level)]);
      tokens.addInstallation(textAt(minted, 'token'), {
        installationId: app.installationId,
        permissions: Object.fromEntries(granted),
        expiresAt: Date.parse(textAt(minted, 'expires_at')),
      });
    }
    return { status: answer.status, json: parsed };
  }

  /** `GET /installation/repositories`: every repository the token reaches. */
  async repositories(request: ApiRequest): Promise<ApiAnswer> {
    if (this.#options.tokens.holderOf(request.token).kind !== 'installation')
      throw new ApiProblem(
        403,
        'You must authenticate with an installation access token in order to list repositories.',
      );
    const repositories = [await this.#options.frame.repository()];
    return {
      status: 200,
      json: {
        total_count: repositories.length,
        repository_selection: 'all',
        repositories: pageOf(repositories, request.query),
      },
    };
  }

  async deliveries(request: ApiRequest): Promise<ApiAnswer> {
    await this.assertApp(request);
    const { app, sender } = this.#options;
    const url = `http://${request.headers.host}/api/v3${request.path}`;
    return listDeliveries(sender, app.installationId, url, request.query);
  }

  async redeliver(request: ApiRequest, id: number): Promise<ApiAnswer> {
    await this.assertApp(request);
    if (this.#options.sender.redeliver(id) === undefined) throw new ApiProblem(404, 'Not Found');
    return { status: 202, json: {} };
  }

  /** The emulator decides whether the JSON web token is the App's. */
  async assertApp(request: ApiRequest): Promise<void> {
    const answer = await this.#options.emulator.call('/app', { token: request.token });
    if (answer.status !== 200) throw new ApiProblem(401, 'A JSON web token could not be decoded');
  }

  async #become(state: 'absent' | 'active' | 'suspended', action: string, login: string): Promise<void> {
    const { app, emulator, frame, sender, tokens } = this.#options;
    if (state !== 'active') tokens.revokeInstallations();
    this.#state = state;
    frame.installed = state === 'active';
    const path = `/app/installations/${app.installationId}`;
    const installation = objectOf(await emulator.json(path, { token: emulator.appToken() }), 'the installation');
    const { id, node_id, name, full_name, private: isPrivate } = await frame.repository();
    const sentBy = await frame.user(login);
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const suspension = state === 'suspended' ? { suspended_at: now, suspended_by: sentBy } : {};
    await frame.complete(installation);
    // Not awaited: a person's click does not wait for the App's server.
    void sender.send('installation', {
      action,
      installation: { ...installation, ...suspension },
      repositories: [{ id, node_id, name, full_name, private: isPrivate }],
      requester: null,
      sender: sentBy,
    });
  }
}
