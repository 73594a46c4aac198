/** The fake as its parts see it: what it remembers, which version it is, whom it tells. */
import type { FakeWebhooks } from '../../kit/fake/webhook-sender.js';
import type { Account, Repository, State } from './state.js';

/** What came with newer servers. */
export interface Features {
  /** `draft`, line counts and teams asked for review in pull requests; compare; the pull request of a commit (1.22). */
  v122: boolean;
  /** Runs of workflows and their jobs, locking (1.24, not in Forgejo). */
  v124: boolean;
  /** Conversations are resolved and runs begun again by the API (1.26, not in Forgejo). */
  v126: boolean;
  /** A comment on a line is deleted by itself (Forgejo 7.0, not in Gitea). */
  deletesLineComments: boolean;
  /** Runs of workflows are cancelled by the API (Gitea 1.28). */
  cancelsRuns: boolean;
}

export interface World {
  state: State;
  flavour: 'gitea' | 'forgejo';
  /** As the server names itself. */
  version: string;
  features: Features;
  maxItems: number;
  /** Without a slash at the end. */
  webUrl: string;
  apiUrl: string;
  webhooks: FakeWebhooks;
  /** Creates the git repository of a new repository. */
  createRepository(owner: string, name: string, options?: Partial<Repository>): Promise<Repository>;
  /** Tells hooks what happened; `type` is the precise native name. */
  emit(repository: Repository, type: string, payload: unknown): void;
  /** Lets a test look at what somebody did. */
  accountOf(login: string): Account;
}
