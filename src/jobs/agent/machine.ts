/**
 * The session's state machine: from where a session stands and what happened, where it stands then and what is written into
 * its record. It is pure, and it alone says what a `session_event` is; whatever drives comments, the event stream and the task
 * board follows what it says.
 *
 * A stop is a wish first: a session is over only when its process is known to be dead. Until then it keeps its lease, so that
 * no second agent starts on the same issue.
 */

export const sessionStatuses = [
  'assigned',
  'provisioning',
  'running',
  'blocked',
  'pushing',
  'in_review',
  'merged',
  'completed',
  'failed',
  'cancelled',
] as const;
export type SessionStatus = (typeof sessionStatuses)[number];

/** Something of it may still run, or is about to. */
export const liveStatuses = ['assigned', 'provisioning', 'running', 'blocked', 'pushing'] as const;
export const isLive = (status: SessionStatus): boolean => (liveStatuses as readonly string[]).includes(status);
/** Of a live session: there may be a process. */
const hasProcess = (status: SessionStatus): boolean => isLive(status) && status !== 'assigned';

/** Why it is to end. Whoever asked first decides what it is called, and a person's word goes before everything else. */
export const stopReasons = ['cancelled', 'superseded', 'budget', 'timeout', 'lost', 'unanswered'] as const;
export type StopReason = (typeof stopReasons)[number];

export interface Question {
  /** The agent's own name for it; what a reply is matched with. */
  id: string;
  text: string;
  /** Answers that it offers. */
  choices: string[];
}

export interface SessionState {
  status: SessionStatus;
  stop: StopReason | null;
  question: Question | null;
}

/** What the agent says, without anything following from it. */
export type AgentRemark =
  | { kind: 'message'; text: string }
  | { kind: 'tool'; name: string; summary: string }
  | { kind: 'diff'; summary: string; paths: string[] }
  /** What it has used since the last such line. */
  | { kind: 'cost'; tokens: number; costMicros: number }
  /** A line that nobody understood, as it came. */
  | { kind: 'raw'; text: string };

export interface PullRequestRef {
  pullRequestId: string;
  url: string;
  number: number;
  title: string;
}

export type SessionInput =
  | { kind: 'leased'; fence: string }
  | { kind: 'started'; runner: string; branch: string | null; headSha: string | null }
  | AgentRemark
  | { kind: 'question'; id: string; text: string; choices: string[] }
  /** It was told where a preview of its pull request runs. */
  | { kind: 'preview'; url: string }
  /** From a person. To what has come back it means: go on with this. */
  | { kind: 'reply'; id: string; by: string; text: string }
  | { kind: 'stop'; why: StopReason; by: string; detail?: string }
  /** The agent says that it has finished, or that it gives up. */
  | { kind: 'done'; ok: boolean; title: string; summary: string }
  /** Its process ended; what it wrote before that has been read. `canResume`: an answer begins another turn of it. */
  | { kind: 'exited'; code: number; reason: string; canResume: boolean }
  /** Whatever there was of it is known to be gone. */
  | { kind: 'dead'; why?: string }
  | { kind: 'failed'; reason: string }
  /** A person wants what a failed session has left to be pushed all the same; texts are for the pull request. */
  | { kind: 'push'; by: string; title: string; summary: string; commandKey?: string }
  | { kind: 'pushed'; branch: string; sha: string; commits: number }
  | ({ kind: 'pr.created' } & PullRequestRef)
  | ({ kind: 'pr.updated' } & PullRequestRef)
  /** A review was written on the forge. */
  | { kind: 'reviewed'; url: string; comments: number }
  /** There was nothing to push. */
  | { kind: 'unchanged' }
  /** How the forge says that its pull request stands. */
  | { kind: 'pull-request'; state: 'open' | 'closed' | 'merged' };

export type SessionInputKind = SessionInput['kind'];

/** One entry of the record, as clients see it. */
export interface SessionEntry {
  kind: string;
  data: Record<string, unknown>;
}

export type Advance =
  | { applies: true; state: SessionState; entries: SessionEntry[] }
  /** Nothing changes and nothing is written; `why` is for whoever asked. */
  | { applies: false; why: string };

const entryOf = ({ kind, ...data }: SessionInput): SessionEntry => ({ kind, data });

const ignored = (why: string): Advance => ({ applies: false, why });

/** Stays as it is, and is written down. */
const noted = (state: SessionState, input: SessionInput): Advance => ({
  applies: true,
  state,
  entries: [entryOf(input)],
});

/** Goes to `status`, which the record says in a line of its own, so that a client need not know this table. */
function goes(state: SessionState, status: SessionStatus, input?: SessionInput, reason?: string): Advance {
  const question = status === 'blocked' ? state.question : null;
  const ends = !isLive(status);
  const changed: SessionEntry = {
    kind: 'status',
    data: { from: state.status, to: status, ...(reason !== undefined && { reason }) },
  };
  return {
    applies: true,
    state: { status, question, stop: ends ? null : state.stop },
    entries: [...(input === undefined ? [] : [entryOf(input)]), changed],
  };
}

const STOPPED: Record<StopReason, { status: 'cancelled' | 'failed'; reason: string }> = {
  cancelled: { status: 'cancelled', reason: 'It was cancelled.' },
  superseded: { status: 'cancelled', reason: 'A newer session took its place.' },
  budget: { status: 'failed', reason: 'It had used up what it may cost.' },
  timeout: { status: 'failed', reason: 'It had used up the time that it may take.' },
  lost: { status: 'failed', reason: 'It gave no sign of life any more.' },
  unanswered: { status: 'failed', reason: 'Nobody answered its question in time. A /reply has it go on.' },
};

const EXITS: Readonly<Record<string, string>> = {
  time: 'It took longer than a turn of it may.',
  disk: 'It wrote more to the disk than it may.',
  files: 'It wrote more files than it may.',
  memory: 'It used more memory than it may.',
};

function onStop(state: SessionState, input: Extract<SessionInput, { kind: 'stop' }>): Advance {
  if (!isLive(state.status)) return ignored(`It is over already: ${state.status}.`);
  // Nothing was started: there is nothing to wait for.
  if (!hasProcess(state.status)) {
    const { status, reason } = STOPPED[input.why];
    return goes(state, status, input, reason);
  }
  if (state.stop === input.why || (state.stop !== null && input.why !== 'cancelled'))
    return ignored('It is being stopped already.');
  return noted({ ...state, stop: input.why }, input);
}

function onDead(state: SessionState, why?: string): Advance {
  if (!hasProcess(state.status)) return ignored('Nothing of it ran.');
  if (state.stop === null)
    return goes(state, 'failed', undefined, why ?? 'It ended without a result, and nobody had asked it to.');
  const { status, reason } = STOPPED[state.stop];
  return goes(state, status, undefined, reason);
}

function onExited(state: SessionState, input: Extract<SessionInput, { kind: 'exited' }>): Advance {
  if (!hasProcess(state.status)) return ignored('Nothing of it ran.');
  if (state.stop !== null) return onDead(state);
  // While its work is pushed the process is expected to be gone.
  if (state.status === 'pushing') return ignored('It had finished.');
  if (input.code === 0 && input.reason === 'exit') {
    if (state.status === 'running') return goes(state, 'pushing', input);
    if (state.status === 'blocked' && input.canResume) return ignored('It goes on when it is answered.');
    return goes(state, 'failed', input, 'It ended before it was done.');
  }
  return goes(state, 'failed', input, EXITS[input.reason] ?? `It ended with code ${input.code}.`);
}

function onReply(state: SessionState, input: Extract<SessionInput, { kind: 'reply' }>): Advance {
  if (state.stop !== null) return ignored('It is being stopped.');
  switch (state.status) {
    case 'blocked':
      return goes(state, 'running', input);
    // To one that is at work, or about to be, it is a word on the way.
    case 'assigned':
    case 'provisioning':
    case 'running':
      return noted(state, input);
    // Its work has come back: the same session goes on, on the same branch.
    case 'in_review':
    case 'completed':
    case 'failed':
      return goes(state, 'assigned', input);
    case 'pushing':
      return ignored('Its work is just being pushed: reply again in a moment.');
    default:
      return ignored(`It is over: ${state.status}.`);
  }
}

function onPullRequest(state: SessionState, now: 'open' | 'closed' | 'merged'): Advance {
  const wanted = { open: 'in_review', closed: 'completed', merged: 'merged' }[now] as SessionStatus;
  if (state.status !== 'in_review' && state.status !== 'completed')
    return ignored(`What becomes of its pull request changes nothing while it is ${state.status}.`);
  if (state.status === wanted) return ignored('That is so already.');
  return goes(state, wanted, undefined, `The pull request is ${now}.`);
}

/** That it was pushed may be found out when the session is over, or is about to go on. */
function onPushed(state: SessionState, input: Extract<SessionInput, { kind: 'pushed' }>): Advance {
  const isLate = state.status === 'assigned' || state.status === 'failed' || state.status === 'cancelled';
  return isLate ? noted(state, input) : fromPushing(state, input, undefined);
}

/** What was made public is written down also where a stop came too late to prevent it; the stop still decides how it ends. */
function fromPushing(state: SessionState, input: SessionInput, status: SessionStatus | undefined): Advance {
  if (state.status !== 'pushing') return ignored(`Nothing is pushed while it is ${state.status}.`);
  return status === undefined || state.stop !== null ? noted(state, input) : goes(state, status, input);
}

function fromWorking(state: SessionState, input: SessionInput, next: () => Advance): Advance {
  if (state.status !== 'running' && state.status !== 'blocked') return ignored(`It does not work: ${state.status}.`);
  // What an agent says while it is being stopped is kept, and moves nothing.
  if (state.stop !== null) return noted(state, input);
  return next();
}

/** Where `state` goes with `input`. Never throws: what does not apply changes nothing and says why. */
export function advance(state: SessionState, input: SessionInput): Advance {
  switch (input.kind) {
    case 'leased':
      return state.status === 'assigned' ? goes(state, 'provisioning', input) : ignored('It has its turn already.');
    case 'started':
      return state.status === 'provisioning' ? goes(state, 'running', input) : ignored('It was started already.');
    case 'message':
    case 'tool':
    case 'diff':
    case 'cost':
    case 'raw':
    case 'preview':
      // Lines are read after the process has ended, too; none of them is lost for that.
      return hasProcess(state.status) ? noted(state, input) : ignored('Nothing of it runs.');
    case 'question':
      return fromWorking(state, input, () => {
        const { kind: _kind, ...question } = input;
        const asked = { ...state, question };
        return state.status === 'blocked' ? noted(asked, input) : goes(asked, 'blocked', input);
      });
    case 'reply':
      return onReply(state, input);
    case 'stop':
      return onStop(state, input);
    case 'done':
      return fromWorking(state, input, () =>
        input.ok
          ? goes(state, 'pushing', input)
          : goes(state, 'failed', input, input.summary === '' ? 'The agent gave up.' : input.summary),
      );
    case 'exited':
      return onExited(state, input);
    case 'dead':
      return onDead(state, input.why);
    case 'failed':
      if (!isLive(state.status)) return ignored(`It is over already: ${state.status}.`);
      if (state.stop !== null) return ignored('It is being stopped.');
      return goes(state, 'failed', input, input.reason);
    case 'push':
      return state.status === 'failed'
        ? goes(state, 'pushing', input)
        : ignored(`What a failed session has left can be pushed, and this one is ${state.status}.`);
    case 'pushed':
      return onPushed(state, input);
    case 'pr.created':
    case 'pr.updated':
      // Somebody opened it for a branch that was pushed before the session ended.
      return state.status === 'failed' || state.status === 'completed'
        ? goes(state, 'in_review', input)
        : fromPushing(state, input, 'in_review');
    case 'reviewed':
    case 'unchanged':
      return fromPushing(state, input, 'completed');
    case 'pull-request':
      return onPullRequest(state, input.state);
  }
}

/** The states that a task has on a board (C16). */
export type TaskStatus = 'starting' | 'running' | 'blocked' | 'completed' | 'failed';

export function taskStatusOf(status: SessionStatus): TaskStatus {
  switch (status) {
    case 'assigned':
    case 'provisioning':
      return 'starting';
    case 'running':
    case 'pushing':
    // The board shows `completed` as merged, which this is not yet.
    case 'in_review':
      return 'running';
    case 'blocked':
      return 'blocked';
    case 'merged':
    case 'completed':
      return 'completed';
    case 'failed':
    case 'cancelled':
      return 'failed';
  }
}
