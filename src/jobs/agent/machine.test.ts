/** Every event in every state. The table is written by hand from what a session is to do, not from the code. */
import { describe, expect, it } from '@jest/globals';
import {
  advance,
  isLive,
  type SessionInput,
  type SessionInputKind,
  type SessionState,
  type SessionStatus,
  sessionStatuses,
  stopReasons,
  taskStatusOf,
} from './machine.js';

const pr = { pullRequestId: 'p', url: 'https://forge.example/pr/1', number: 1, title: 'T' };
const examples = {
  leased: { kind: 'leased', fence: '1' },
  started: { kind: 'started', runner: 'worktree', branch: 'b', headSha: null },
  message: { kind: 'message', text: 'hi' },
  tool: { kind: 'tool', name: 'edit', summary: 'a.txt' },
  diff: { kind: 'diff', summary: '1 file', paths: ['a.txt'] },
  cost: { kind: 'cost', tokens: 10, costMicros: 20 },
  raw: { kind: 'raw', text: '???' },
  preview: { kind: 'preview', url: 'https://pr-1.preview.example' },
  question: { kind: 'question', id: 'q2', text: 'Why?', choices: [] },
  reply: { kind: 'reply', id: 'i', by: 'bob', text: 'yes' },
  stop: { kind: 'stop', why: 'cancelled', by: 'bob' },
  done: { kind: 'done', ok: true, title: 'T', summary: 'all' },
  exited: { kind: 'exited', code: 0, reason: 'exit', canResume: false },
  dead: { kind: 'dead' },
  failed: { kind: 'failed', reason: 'no room' },
  push: { kind: 'push', by: 'bob', title: '', summary: '' },
  pushed: { kind: 'pushed', branch: 'b', sha: 'a'.repeat(40), commits: 1 },
  'pr.created': { kind: 'pr.created', ...pr },
  'pr.updated': { kind: 'pr.updated', ...pr },
  reviewed: { kind: 'reviewed', url: 'u', comments: 2 },
  unchanged: { kind: 'unchanged' },
  'pull-request': { kind: 'pull-request', state: 'merged' },
} satisfies { [kind in SessionInputKind]: Extract<SessionInput, { kind: kind }> };
const kinds = Object.keys(examples) as SessionInputKind[];

const unknown = (word: string): never => {
  throw new Error(`no state ${word}`);
};

/** `-`: nothing changes and nothing is written; `.`: it is written down and the state stays; else where it goes. */
type Cell = '-' | '.' | SessionStatus;
const columns = sessionStatuses;
const row = (text: string): Cell[] => {
  const short: Record<string, Cell> = {
    ...{ '-': '-', '.': '.', as: 'assigned', pro: 'provisioning', run: 'running', blo: 'blocked', pus: 'pushing' },
    ...{ rev: 'in_review', mer: 'merged', com: 'completed', fai: 'failed', can: 'cancelled' },
  };
  return text
    .trim()
    .split(/\s+/)
    .map((word) => short[word] ?? unknown(word));
};

/** Columns:       as  pro run blo pus rev mer com fai can */
const expected: Record<SessionInputKind, Cell[]> = {
  leased: row('      pro -   -   -   -   -   -   -   -   -'),
  started: row('     -   run -   -   -   -   -   -   -   -'),
  message: row('     -   .   .   .   .   -   -   -   -   -'),
  tool: row('        -   .   .   .   .   -   -   -   -   -'),
  diff: row('        -   .   .   .   .   -   -   -   -   -'),
  cost: row('        -   .   .   .   .   -   -   -   -   -'),
  raw: row('         -   .   .   .   .   -   -   -   -   -'),
  preview: row('     -   .   .   .   .   -   -   -   -   -'),
  question: row('    -   -   blo .   -   -   -   -   -   -'),
  reply: row('       .   .   .   run -   as  -   as  as  -'),
  stop: row('        can .   .   .   .   -   -   -   -   -'),
  done: row('        -   -   pus pus -   -   -   -   -   -'),
  exited: row('      -   fai pus fai -   -   -   -   -   -'),
  dead: row('        -   fai fai fai fai -   -   -   -   -'),
  failed: row('      fai fai fai fai fai -   -   -   -   -'),
  push: row('        -   -   -   -   -   -   -   -   pus -'),
  pushed: row('      .   -   -   -   .   -   -   -   .   .'),
  'pr.created': row('-   -   -   -   rev -   -   rev rev -'),
  'pr.updated': row('-   -   -   -   rev -   -   rev rev -'),
  reviewed: row('    -   -   -   -   com -   -   -   -   -'),
  unchanged: row('   -   -   -   -   com -   -   -   -   -'),
  'pull-request': row('- -  -   -   -   mer -   mer -   -'),
};

/** The same while a stop of `cancelled` is wanted; only live sessions have one, and one that waits for its turn ends at once. */
/** Columns:       pro run blo pus */
const whileStopping: Record<SessionInputKind, Cell[]> = {
  leased: row('      -   -   -   -'),
  started: row('     run -   -   -'),
  message: row('     .   .   .   .'),
  tool: row('        .   .   .   .'),
  diff: row('        .   .   .   .'),
  cost: row('        .   .   .   .'),
  raw: row('         .   .   .   .'),
  preview: row('     .   .   .   .'),
  question: row('    -   .   .   -'),
  reply: row('       -   -   -   -'),
  stop: row('        -   -   -   -'),
  done: row('        -   .   .   -'),
  exited: row('      can can can can'),
  dead: row('        can can can can'),
  failed: row('      -   -   -   -'),
  push: row('        -   -   -   -'),
  pushed: row('      -   -   -   .'),
  'pr.created': row('-   -   -   .'),
  'pr.updated': row('-   -   -   .'),
  reviewed: row('    -   -   -   .'),
  unchanged: row('   -   -   -   .'),
  'pull-request': row('- -  -   -'),
};

const stateOf = (status: SessionStatus, stop: SessionState['stop'] = null): SessionState => ({
  status,
  stop,
  question: status === 'blocked' ? { id: 'q1', text: 'What?', choices: ['a'] } : null,
});

function cellOf(state: SessionState, input: SessionInput): Cell {
  const result = advance(state, input);
  if (!result.applies) {
    expect(result.why).toMatch(/\S/);
    return '-';
  }
  expect(result.entries.length).toBeGreaterThan(0);
  if (result.state.status === state.status) return '.';
  // A change of state is told in an entry of its own.
  expect(result.entries.at(-1)).toMatchObject({
    kind: 'status',
    data: { from: state.status, to: result.state.status },
  });
  return result.state.status;
}

describe('the session machine', () => {
  it.each(kinds)('%s in every state', (kind) => {
    const found = columns.map((status) => [status, cellOf(stateOf(status), examples[kind])]);
    expect(found).toEqual(columns.map((status, at) => [status, expected[kind][at]]));
  });

  it.each(kinds)('%s in every state while it is being cancelled', (kind) => {
    const stoppable = ['provisioning', 'running', 'blocked', 'pushing'] as const;
    const found = stoppable.map((status) => [status, cellOf(stateOf(status, 'cancelled'), examples[kind])]);
    expect(found).toEqual(stoppable.map((status, at) => [status, whileStopping[kind][at]]));
  });

  it('keeps the question while it is blocked, takes a newer one, and forgets it with the answer', () => {
    const asked = advance(stateOf('running'), examples.question);
    expect(asked).toMatchObject({ state: { status: 'blocked', question: { id: 'q2', text: 'Why?' } } });
    const again = advance(stateOf('blocked'), { ...examples.question, id: 'q3' });
    expect(again).toMatchObject({ state: { status: 'blocked', question: { id: 'q3' } } });
    const noted = advance(stateOf('blocked'), examples.message);
    expect(noted).toMatchObject({ state: { question: { id: 'q1' } } });
    expect(advance(stateOf('blocked'), examples.reply)).toMatchObject({ state: { status: 'running', question: null } });
  });

  it.each(stopReasons)('ends as its stop says when that was %s, and not before it is dead', (why) => {
    for (const status of ['provisioning', 'running', 'blocked', 'pushing'] as const) {
      const stopped = advance(stateOf(status), { kind: 'stop', why, by: 'x' });
      expect(stopped).toMatchObject({ applies: true, state: { status, stop: why } });
      if (!stopped.applies) continue;
      const wanted = why === 'cancelled' || why === 'superseded' ? 'cancelled' : 'failed';
      expect(advance(stopped.state, { kind: 'dead' })).toMatchObject({ state: { status: wanted, stop: null } });
      // A person's word goes before any other reason; nothing else changes why.
      for (const other of stopReasons)
        expect(advance(stopped.state, { kind: 'stop', why: other, by: 'y' }).applies).toBe(
          other === 'cancelled' && why !== 'cancelled',
        );
    }
  });

  it('says how a process ended that was not to end', () => {
    const reasonOf = (state: SessionState, code: number, reason: string) => {
      const result = advance(state, { kind: 'exited', code, reason, canResume: false });
      expect(result).toMatchObject({ state: { status: 'failed' } });
      return result.applies && result.entries.at(-1)?.data.reason;
    };
    expect(reasonOf(stateOf('running'), 137, 'exit')).toBe('It ended with code 137.');
    expect(reasonOf(stateOf('blocked'), 0, 'exit')).toBe('It ended before it was done.');
    expect(reasonOf(stateOf('running'), 0, 'disk')).toBe('It wrote more to the disk than it may.');
  });

  it('waits for the answer also when the process that asked has ended and an answer begins another', () => {
    expect(cellOf(stateOf('blocked'), { ...examples.exited, canResume: true })).toBe('-');
    expect(cellOf(stateOf('blocked'), { ...examples.exited, canResume: true, code: 1 })).toBe('failed');
  });

  it('fails when the agent says that it gives up', () => {
    const given = { ...examples.done, ok: false, summary: 'I lack a key.' };
    expect(cellOf(stateOf('running'), given)).toBe('failed');
    expect(advance(stateOf('running'), given)).toMatchObject({
      entries: [{ kind: 'done' }, { kind: 'status', data: { reason: 'I lack a key.' } }],
    });
  });

  it('follows its pull request on the forge', () => {
    const to = (status: SessionStatus, state: 'open' | 'closed' | 'merged') =>
      cellOf(stateOf(status), { kind: 'pull-request', state });
    expect([to('in_review', 'open'), to('in_review', 'closed'), to('in_review', 'merged')]).toEqual([
      ...['-', 'completed', 'merged'],
    ]);
    expect([to('completed', 'open'), to('completed', 'closed'), to('completed', 'merged')]).toEqual([
      ...['in_review', '-', 'merged'],
    ]);
    // What is merged stays so, whatever comes late.
    expect([to('merged', 'open'), to('merged', 'closed')]).toEqual(['-', '-']);
  });

  it('leaves no session without a way to its end: whatever is live can be cancelled', () => {
    for (const status of sessionStatuses.filter(isLive)) {
      let state = stateOf(status);
      for (const input of [examples.stop, examples.dead]) {
        const result = advance(state, input);
        if (result.applies) state = result.state;
      }
      expect(state).toEqual({ status: 'cancelled', stop: null, question: null });
    }
  });

  it('is told to a task board in the words that it has', () => {
    expect(Object.fromEntries(sessionStatuses.map((status) => [status, taskStatusOf(status)]))).toEqual({
      ...{ assigned: 'starting', provisioning: 'starting', running: 'running', blocked: 'blocked', pushing: 'running' },
      ...{ in_review: 'running', merged: 'completed', completed: 'completed', failed: 'failed', cancelled: 'failed' },
    });
  });
});
