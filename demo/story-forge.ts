/** A forge as the story sees it: what a person does there, and what can be read back from outside. One for each forge. */
import type { ForgewayServer } from './forgeway-server.js';

export interface ShownComment {
  id: string;
  author: string;
  body: string;
}

export interface ShownStatus {
  context: string;
  state: string;
  description: string;
}

export interface SentDelivery {
  guid: string;
  event: string;
  action: string | null;
  /** Forgeway's answer; 0 when there was none. */
  status: number;
  seconds: number;
}

export interface StoryForge {
  /** The descriptor's id and name. */
  id: string;
  label: string;
  /** Login under which Forgeway comments. */
  bot: string;
  /** The first step: the App is installed, or the forge connected. */
  begin: { name: string; run(): Promise<string>; stored: readonly [event: string, action: string] };
  /** Changes the headline on a branch of its own, pushes it, and answers the new head. */
  changeHeadline(branch: string, headline: string, message: string): Promise<string>;
  /** The head of a branch as git itself says. */
  revParse(branch: string): Promise<string>;
  openPullRequest(branch: string, title: string, body: string): Promise<number>;
  openIssue(title: string, body: string): Promise<number>;
  /** On an issue or a pull request. */
  comment(number: number, body: string): Promise<void>;
  close(number: number): Promise<void>;
  /** Of an issue or a pull request, oldest first. */
  comments(number: number): Promise<readonly ShownComment[]>;
  /** Forgeway's, newest first. */
  statuses(number: number, sha: string): Promise<readonly ShownStatus[]>;
  /** What the forge wrote down about its deliveries, newest first; undefined where it keeps no such list. */
  sent?(): Promise<readonly SentDelivery[]>;
  pullRequestUrl(number: number): string;
  /** What a workspace needs. */
  infrastructure: {
    repositoryUrl: string;
    /** The id of the connection that reads the repository; makes it where the forge was not connected with one. */
    connection(server: ForgewayServer, token: string): Promise<string>;
    /** A commit of Alice's on a branch that is made for it; answers the new head. */
    push(branch: string, files: Record<string, string>, message: string): Promise<string>;
    merge(number: number): Promise<void>;
  };
  /** What the emulated forge could not answer; empty when all is well. */
  problems(): readonly string[];
}
