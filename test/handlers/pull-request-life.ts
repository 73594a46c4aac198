/** Payloads of one pull request's life, as a forge would send them: each carries the whole state at its time. */
import { examplesOf, type Payload } from './harness.js';

export interface LifeState {
  state: 'open' | 'closed';
  title: string;
  labels: string[];
  head: string;
  merged: boolean;
}

export interface LifeEvent {
  action: string;
  state: LifeState;
  sender: { id: number; login: string };
  /** Seconds after {@link start}. */
  at: number;
}

export const start = Date.UTC(2026, 4, 1, 12, 0, 0);
export const sha = (n: number) => n.toString(16).padStart(40, '0');
export const pusher = { id: 501, login: 'pusher' };
export const labeler = { id: 502, login: 'labeler' };

export interface Subject {
  repositoryId: number | string;
  number: number;
}

const example = examplesOf('pull_request').find(({ action }) => action === 'opened') as {
  repository: Payload;
  pull_request: Payload & { head: Payload; base: Payload };
};

/** The webhook payload for an event of the pull request's life. */
export function pullRequestPayload(subject: Subject, event: LifeEvent): Payload {
  const time = (seconds: number) => new Date(start + seconds * 1_000).toISOString().replace('.000', '');
  const { state } = event;
  const repository = {
    ...example.repository,
    id: subject.repositoryId,
    updated_at: time(-60),
  };
  return {
    action: event.action,
    number: subject.number,
    repository,
    sender: event.sender,
    pull_request: {
      ...example.pull_request,
      id: subject.number + 10_000,
      number: subject.number,
      title: state.title,
      state: state.state,
      merged: state.merged,
      labels: state.labels.map((name) => ({ id: 1, name, color: 'ededed' })),
      head: { ...example.pull_request.head, sha: state.head, repo: { ...repository } },
      created_at: time(0),
      updated_at: time(event.at),
      closed_at: state.state === 'closed' ? time(event.at) : null,
      merged_at: state.merged ? time(event.at) : null,
    },
  };
}

/** Every order of the items. */
export function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, n) =>
    permutations([...items.slice(0, n), ...items.slice(n + 1)]).map((rest) => [item, ...rest]),
  );
}
