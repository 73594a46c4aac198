/** The fake as its parts see it: what it remembers, who its App is, whom it tells. */
import type { JsonObject } from '../../forge.js';
import type { FakeHook, FakeWebhooks } from '../../kit/fake/webhook-sender.js';
import type { ShapeBase } from '../../kit/shapes/base.js';
import type { Account, Holder, Repository, State } from './state.js';

export interface FakeApp {
  id: number;
  slug: string;
  name: string;
  installationId: number;
  permissions: Readonly<Record<string, string>>;
  events: readonly string[];
  /** PEM. */
  privateKey: string;
  publicKey: string;
  /** `<slug>[bot]`. */
  bot: Account;
  /** Where it receives its webhooks. */
  hook: FakeHook | undefined;
}

export interface World {
  state: State;
  app: FakeApp;
  clock: () => Date;
  /** Without a slash at the end. */
  webUrl: string;
  apiUrl: string;
  /** Addresses in GitHub's objects. */
  readonly base: ShapeBase;
  webhooks: FakeWebhooks;
  /** Creates the git repository of a new repository. */
  createRepository(owner: string, name: string, options?: Partial<Repository>): Promise<Repository>;
  /** Tells the App and the repository's hooks; `sender` is a login. */
  emit(repository: Repository, event: string, sender: string, payload: JsonObject): void;
  /** A token that ends; answers it. */
  giveToken(holder: Holder, expires: number | undefined): string;
}
