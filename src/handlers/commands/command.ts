/** One command: what it takes, and what it does. A new one is a file and a line in `table.ts`. */
import type { Action } from '../../accounts/access/actions.js';
import type { ForgeActor } from '../../accounts/access/actor.js';
import type { Decision } from '../../accounts/access/decide.js';
import type { PlannedAgents } from '../../jobs/agent/agents.js';
import type { AskedWhen } from '../../jobs/agent/stops.js';
import type { DeliveryWork } from '../delivery-work.js';

/** The conversation a command was given in, read again from the forge. */
export interface Conversation {
  owner: string;
  repo: string;
  number: number;
  /** False: an issue. */
  isPullRequest: boolean;
  /** The forge's own number of the repository. */
  remoteRepositoryId: bigint;
}

/** What an Octokit of an app can be asked; every write through it is journaled. */
export interface CommandOctokit {
  request(route: string, parameters: Record<string, unknown>): Promise<{ data: unknown }>;
}

export interface Stop {
  /** Which command this is, among all that were ever given; the same when it is run again. */
  key: string;
  by: { id: bigint; login: string };
  in: Conversation;
  /** When it was written, by the forge's clock where that is told, else by ours. */
  at: Date;
  /** The same by each clock: by ours it is when we were told of it. */
  asked: AskedWhen;
  /** It was tried before, or done in part: much may have happened since it was given. */
  isAgain: boolean;
  /** One transaction as the organization; pokes follow when it has committed. */
  inTransaction(run: (work: DeliveryWork) => Promise<void>): Promise<void>;
}

export interface CommandRun extends Omit<Stop, 'by'> {
  args: string;
  by: ForgeActor;
  /** As the trail names them. */
  byName: string;
  octokit: CommandOctokit;
  /** Undefined where no agents are configured. */
  agents: PlannedAgents | undefined;
  /** Every command that there is. */
  all: ReadonlyMap<string, Command>;
  /** Whether whoever asks may do something else here; nothing is written down about it. */
  may(action: Action): Decision;
}

/** What came of it: nothing to say, or one short sentence for whoever asked. */
export type Outcome = { done: true; say?: string } | { done: false; say: string };

export interface Command {
  name: string;
  /** How it is written, such as `/ok-to-test <commit>`. */
  usage: string;
  /** One sentence for people. */
  means: string;
  /** Who may, see `accounts/access/actions.ts`. */
  action: Action;
  /** Given to an issue it is answered with a sentence instead. */
  onlyOnPullRequests: boolean;
  /** What it takes is a text, which may go on below its line. */
  takesText?: true;
  run(given: CommandRun): Promise<Outcome>;
  /**
   * It stops something: heard where others of the same person are not any more, whatever is paused or waits before it, and without a question to the
   * forge, which may be down, where it stops what whoever gives it has begun themselves (`own`), or what anybody has, where the
   * forge said lately that they may. Answers whether it was that.
   */
  stop?(given: Stop, whose: 'own' | 'any'): Promise<boolean>;
}
