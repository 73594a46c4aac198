/**
 * What runs agents: one port, whatever an agent runs in. A runner knows nothing of tasks, comments or budgets; it starts a
 * command in a place of its own, hands over what the command says, and brings back what it changed.
 *
 * Every verb is idempotent, and all but `start` name a session with the number of the start they mean (its *fence*): a
 * caller whose lease went to another is refused with FORGEWAY_AGENT_FENCED and has changed nothing.
 */
import type { GitSource } from '../git/mirror.js';
import type { AgentDefinition } from './definition.js';
import type { AgentEvent } from './protocol.js';
import type { FoundReview } from './review.js';

/** A session, and which start of it is meant. Fences of a session only grow. */
export interface AgentRef {
  /** A uuid. */
  sessionId: string;
  fence: number;
}

export interface AgentRepository {
  /** Our own uuid of it. */
  id: string;
  /** Where it is read from. The credential is used by the runner and is seen by no agent. */
  source: GitSource;
  /** The commit that the agent begins with, in full. */
  sha: string;
  /** Full refs to try when the server does not hand out the SHA itself, such as `refs/pull/12/head`. */
  fallbackRefs: readonly string[];
  /** Head of the base branch: files that configure agents are taken from here. The same as `sha` where it is the base. */
  trustedSha: string;
  /** Shown to the agent as its branch; the runner pushes it. */
  branch: string;
}

export interface AgentTask {
  /** From {@link buildPrompt}. Becomes a file, and the first line on standard input or an argument. */
  prompt: string;
  /** Further files to read, by plain name such as `pull-request.diff`; they lie beside the task, not in the repository. */
  files?: Readonly<Record<string, string>>;
}

export interface AgentStart extends AgentRef {
  agent: AgentDefinition;
  repository: AgentRepository;
  task: AgentTask;
  /** Model keys and the like. They are environment of the agent's process and are in no argument and no file. */
  secrets: Readonly<Record<string, string>>;
}

export type AgentExitReason = 'exit' | 'time' | 'disk' | 'files' | 'memory';

export type AgentObservation =
  /** Nothing of this session is here: it was never started here, or it was removed. */
  | { state: 'absent' }
  /** A start that did not get to its end; the same `start` again goes on with it. */
  | { state: 'preparing' }
  /** `quietMs`: since it last printed a line, or since it began. */
  | { state: 'running'; turn: number; quietMs: number }
  /** `canResume`: a reply begins another turn of the same session. */
  | { state: 'exited'; turn: number; code: number; reason: AgentExitReason; canResume: boolean }
  /** It is gone and nobody could write down how: killed from outside, or the machine went down. */
  | { state: 'vanished'; turn: number; why?: string };

export interface AgentPage {
  /**
   * In order. `at` is the offset of the line in everything the session printed; one line may say several things, and plain
   * lines after each other are one.
   */
  events: { at: number; ordinal: number; event: AgentEvent }[];
  /** Where the next page begins; keep it in the transaction that keeps the events, and each line is seen once. */
  next: number;
  /** There is more already. */
  more: boolean;
}

/** What an agent changed that it may not. Names paths and rules, never the secret that was found. */
export interface AgentProblem {
  rule: 'files' | 'lines' | 'bytes' | 'secret' | 'workflow' | 'submodule' | 'path' | 'special-file';
  message: string;
  path?: string;
  line?: number;
}

export interface AgentResultRequest {
  /** Title and text of the commit. */
  message: string;
  /** Marks the commit as an agent's; the sign-off of whoever asked for it goes into `message`. */
  author: { name: string; email: string };
  /** The commit's time, so that the same result twice is the same commit. */
  date: Date;
  limits: { files: number; lines: number; bytes: number };
  /** Values that must not be in it, such as the model's keys; others are found by their shape. */
  secrets: readonly string[];
  /** Whether files that steer a forge's own pipelines may change. */
  mayChangeWorkflows: boolean;
}

export type AgentResult =
  /** The work tree is what it began as. */
  | { kind: 'unchanged' }
  | { kind: 'refused'; problems: AgentProblem[] }
  | {
      kind: 'changed';
      commit: string;
      files: { path: string; status: 'added' | 'modified' | 'deleted'; added: number; removed: number }[];
      added: number;
      removed: number;
      /** Cut where it is long. */
      diff: string;
    };

export interface AgentPush {
  /** Where it is pushed to, with a credential that may write. */
  source: GitSource;
  /** Without `refs/heads/`; the branch of the session, from {@link agentBranch}. */
  branch: string;
  /** From `result`. */
  commit: string;
  /** What the branch must be at; null when it must not exist. A branch at `commit` already counts as pushed. */
  expected: string | null;
}

export interface AgentRunner {
  readonly kind: 'worktree' | 'kubernetes';
  /** Where an agent would work, for one that has several places. */
  kindFor?(agent: AgentDefinition): 'worktree' | 'kubernetes';

  /**
   * Puts everything in place and starts the first turn. The same session and fence again finds what is there, or goes on
   * where a killed process left off. A higher fence stops what ran under a lower one, makes sure that it is dead, and
   * begins anew.
   * @param signal somebody has said to stop: whatever git does for it is killed at once, here as in `result` and `push`. What it
   *   leaves is as after a killed process
   * @throws ForgewayError FORGEWAY_AGENT_FENCED when a higher fence was seen; FORGEWAY_SANDBOX_UNAVAILABLE;
   *   FORGEWAY_GIT_FAILED
   */
  start(spec: AgentStart, signal?: AbortSignal): Promise<void>;

  observe(ref: AgentRef): Promise<AgentObservation>;

  /**
   * What the agent printed since this start (fence), from `cursor` on (0 at first), also while no server ran: at most `limit` events, or a
   * few more.
   */
  read(ref: AgentRef, cursor: number, limit?: number): Promise<AgentPage>;

  /**
   * Hands a person's text to the agent: at once where it listens while it runs, as its next turn where it has ended and can
   * resume. The same `clientInputId` again is `known` and reaches the agent once. `later`: it is at work and does not listen;
   * ask again when it has exited. `ended`: it can take nothing any more. `secrets` are given again, since the runner keeps
   * none and a reply may begin a turn.
   *
   * With `kind` `preview` the text is the address of a preview of its pull request: a line of its own kind for an agent that
   * listens, which answers no question and begins no turn; others are not told, `later`.
   */
  reply(
    ref: AgentRef,
    input: {
      text: string;
      clientInputId: string;
      secrets: Readonly<Record<string, string>>;
      kind?: 'reply' | 'preview';
    },
  ): Promise<'accepted' | 'known' | 'later' | 'ended'>;

  /**
   * Kills all that runs in it. When it resolves, nothing of it is alive. The work tree and what was printed stay, where they
   * are on this machine; elsewhere only with `keeps`, which may take longer: whoever wants no result does not wait for one.
   * @param o.signal ends waiting for another process that is at work on the session, and may be frozen. What runs is killed all the
   *   same where that can be done, and it rejects: the other may be about to start something
   * @throws ForgewayError FORGEWAY_AGENT_RUNNING when what is to be kept has not come yet: ask again
   */
  stop(ref: AgentRef, o?: { keeps?: boolean; signal?: AbortSignal }): Promise<void>;

  /** What the agent changed. Only when nothing runs. @throws ForgewayError FORGEWAY_AGENT_RUNNING */
  result(ref: AgentRef, request: AgentResultRequest, signal?: AbortSignal): Promise<AgentResult>;

  /** The remarks of an agent that was asked for a review. Only when nothing runs. @throws ForgewayError FORGEWAY_AGENT_RUNNING */
  review(ref: AgentRef): Promise<FoundReview>;

  /** Moves the session's branch, and nothing else, on the forge. `changed-meanwhile`: it is not at `expected`. */
  push(ref: AgentRef, push: AgentPush, signal?: AbortSignal): Promise<'pushed' | 'changed-meanwhile'>;

  /** Stops it and removes every trace but the fence. Read everything first. @param signal ends waiting for others */
  remove(ref: AgentRef, signal?: AbortSignal): Promise<void>;

  /** Every session that has something here, also those that nobody knows any more. */
  list(): Promise<AgentRef[]>;
}
