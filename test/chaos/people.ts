/** What people do on a forge during a run, the same on each of them. */

export interface HappeningResult {
  /** Of the issue or pull request. */
  number?: number;
  /** The new head. */
  sha?: string;
}

/** One repository, and whoever works in it. Rejects when the forge refuses. */
export interface People {
  openIssue(login: string, token: string): Promise<HappeningResult>;
  comment(login: string, number: number, token: string): Promise<HappeningResult>;
  /** Branch and pull request alike have the token's name. */
  openPullRequest(login: string, token: string): Promise<HappeningResult>;
  /** Another commit on the pull request's branch. `count` differs each time. */
  pushAgain(login: string, token: string, count: number): Promise<HappeningResult>;
  close(login: string, number: number): Promise<HappeningResult>;
  /** To the default branch. */
  push(login: string, token: string): Promise<HappeningResult>;
}

export const mention = (token: string): string => `chaos:${token}`;

/** Signed off, so that `dco-check` is content. */
export const messageFor = (login: string, token: string): string =>
  `feat: ${mention(token)}\n\nSigned-off-by: ${login} <${login}@example.com>`;

/**
 * Files that `welcome` and `label-by-path` read. The greeting is an effect that can be told apart, too.
 * `greeted`: at which first thing of a person.
 */
export const configurationOf = (repository: string, greeted: readonly Greeted[]): Readonly<Record<string, string>> => ({
  '.github/welcome.yml': greeted
    .map((kind) => `${GREETINGS[kind]}: "effect:${greeting(kind, repository, '{user}')} welcomes you"\n`)
    .join(''),
  '.github/labeler.yml': 'documentation: "docs/**"\n',
});

export type Greeted = 'issue' | 'pull';

const GREETINGS: Readonly<Record<Greeted, string>> = { issue: 'firstIssue', pull: 'firstPullRequest' };

/** `user` as it is mentioned. */
export const greeting = (kind: Greeted, repository: string, user: string): string =>
  `welcome.${kind}.${repository}.${user}`;
