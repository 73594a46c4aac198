/** What an effect is: what is written, and through which other route it is read back. It knows no forge. */

import type { OwnEvent } from '../../../src/forges/kit/inbox-port.js';

// biome-ignore lint/suspicious/noExplicitAny: every answer has another form, and a test that looks for what is not there fails.
export type Loose = any;
export type Params = Readonly<Record<string, unknown>>;

export interface OpenPull {
  number: number;
  branch: string;
  sha: string;
}

/** What rows may be done to, on one forge. */
export interface Stage {
  /** Answers the status as well: a read may be of what is not there. */
  ask(route: string, parameters?: Params): Promise<{ status: number; data: Loose }>;
  /** A word that was not used before. */
  word(): string;
  /** An open issue, a pull request of somebody else with a file `<branch>.txt` of three lines, the head of a branch. */
  issue(): Promise<number>;
  pull(base?: string): Promise<OpenPull>;
  /** The same one every time, for what leaves no trace on it or one of its own. */
  anyPull(): Promise<OpenPull>;
  head(branch: string): Promise<string>;
  /** Slug of a team that reaches no repository; number of a run of the forge's own CI. */
  team(): Promise<string>;
  run(job: 'failed' | 'running'): Promise<number>;
  /** Id of a webhook that is told nothing but its test, and how many deliveries have arrived at its address. */
  hook(): Promise<number>;
  arrived(): number;
  /** Events that Forgeway told apps of what was written. */
  told(): readonly OwnEvent[];
  /** Somebody else pushes. */
  push(branch: string, files: Readonly<Record<string, string>>): Promise<string>;
}

export interface Effect {
  /** Parameters of the write, of whatever was made for it. */
  given(stage: Stage): Promise<Params> | Params;
  /** The route that shows it. */
  by: string;
  /** Further parameters of that route; those of the write that it names are given already. */
  at?(made: Loose, params: Params): Params;
  /** Of the answer, or of its status; or of what the stage was told besides. */
  seen(answer: { status: number; data: Loose }, params: Params, stage: Stage): unknown;
  /** What is seen afterwards, and was not before. */
  want(params: Loose, made: Loose): unknown;
}

/** Of a row that answers and leaves nothing behind. */
export interface Rendering {
  given(stage: Stage): Promise<Params> | Params;
  /** What is in its answer. */
  says: RegExp;
}

export const R = '/repos/{owner}/{repo}';
export const ISSUE = `${R}/issues/{issue_number}`;
export const PULL = `${R}/pulls/{pull_number}`;
export const base64 = (text: string) => Buffer.from(text).toString('base64');
export const names = (list: Loose, key = 'name'): string[] =>
  Array.isArray(list) ? list.map((one: Loose) => one[key]) : [];
export const gone = { seen: ({ status }: { status: number }) => status, want: () => 404 };

export const branch = async (stage: Stage) => {
  const name = stage.word();
  await stage.ask(`POST ${R}/git/refs`, { ref: `refs/heads/${name}`, sha: await stage.head('main') });
  return { ref: `heads/${name}` };
};
export const NO_RULE = {
  required_status_checks: null,
  enforce_admins: true,
  required_pull_request_reviews: null,
  restrictions: null,
};
