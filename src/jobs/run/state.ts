/**
 * A run's state machine. It is pure: from where a run stands and what happened, where it stands next, or why that cannot be.
 * People's wishes and what the executor reports go through the same table, so that no two of them can pass each other.
 *
 * ```
 * pending → fetching → planning → planned → confirmed → applying → applied
 *                          └→ planned_and_finished (nothing to apply, or never to be applied)
 * anything that is not over → errored | discarded | canceled
 * ```
 */
import { isFinal, type RunStatus } from '../../store/workspace/runs.js';

/** What does not change while a run lives, and what was asked of it. */
export interface RunFacts {
  status: RunStatus;
  planOnly: boolean;
  autoApply: boolean;
  /** Its plan waits for a file on somebody's disk to be applied. */
  savePlan: boolean;
  allowEmptyApply: boolean;
  cancelRequested: boolean;
}

/** Wishes of people, and of us in their place. */
export type Wish =
  | { kind: 'confirm' }
  | { kind: 'discard' }
  | { kind: 'cancel' }
  | { kind: 'force-cancel' }
  /** A newer commit is to be run instead. */
  | { kind: 'supersede' };

/** What whoever works on the run found. */
export type Report =
  | { kind: 'turn' }
  | { kind: 'fetched' }
  | { kind: 'planned'; hasChanges: boolean }
  | { kind: 'apply-started' }
  | { kind: 'applied' }
  | { kind: 'failed' }
  /** It was asked to stop, and did. */
  | { kind: 'stopped' }
  /** What executed it is gone, and left no result. */
  | { kind: 'vanished' }
  /** The plan may not be applied any more: the branch moved on, or what allowed it is gone. */
  | { kind: 'outdated' };

export type RunEvent = Wish | Report;

export type Outcome =
  | { to: RunStatus }
  /** Stays where it is, and whoever executes it is asked to stop. */
  | { stop: true }
  /** Nothing changes: the wish is fulfilled already, or the report comes late. */
  | { unchanged: true }
  /** It cannot be; one sentence for whoever asked. */
  | { refused: string };

/** Something is executed, or fetched, while a run is in one of these. */
const AT_WORK: ReadonlySet<RunStatus> = new Set(['fetching', 'planning', 'applying']);

const NAMES: Readonly<Record<RunStatus, string>> = {
  pending: 'waits for its turn',
  fetching: 'fetches its configuration',
  planning: 'is being planned',
  planned: 'waits to be confirmed',
  planned_and_finished: 'is planned, and there is nothing to apply',
  confirmed: 'is confirmed',
  applying: 'is being applied',
  applied: 'was applied',
  errored: 'has failed',
  discarded: 'was discarded',
  canceled: 'was canceled',
};

/** As a sentence goes on after “the run”. */
export const inWords = (status: RunStatus): string => NAMES[status];

const unchanged: Outcome = { unchanged: true };
const to = (status: RunStatus): Outcome => ({ to: status });

function afterPlan(run: RunFacts, hasChanges: boolean): Outcome {
  if (run.planOnly) return to('planned_and_finished');
  if (!hasChanges && !run.allowEmptyApply) return to('planned_and_finished');
  // A saved plan is applied by whoever holds its file, and by nobody else.
  return to(run.autoApply && !run.savePlan ? 'confirmed' : 'planned');
}

function onWish(run: RunFacts, wish: Wish): Outcome {
  const { status } = run;
  const refused = (may: string): Outcome => ({ refused: `The run ${inWords(status)}; ${may}` });
  switch (wish.kind) {
    case 'confirm':
      if (run.planOnly) return { refused: 'This run is a plan only and can never be applied.' };
      if (status === 'planned') return to('confirmed');
      if (status === 'confirmed' || status === 'applying' || status === 'applied') return unchanged;
      return refused('only one that waits to be confirmed can be.');
    case 'discard':
      if (status === 'pending' || status === 'planned') return to('discarded');
      if (status === 'discarded') return unchanged;
      return refused('only one that waits can be discarded.');
    case 'cancel':
      if (status === 'canceled') return unchanged;
      if (isFinal(status)) return refused('there is nothing left to cancel.');
      if (!AT_WORK.has(status)) return to('canceled');
      return run.cancelRequested ? unchanged : { stop: true };
    case 'force-cancel':
      if (status === 'canceled') return unchanged;
      if (isFinal(status)) return refused('there is nothing left to cancel.');
      if (!run.cancelRequested) return refused('cancel it first, and give it the time to stop.');
      return to('canceled');
    case 'supersede':
      if (status === 'pending' || status === 'planned') return to('discarded');
      if (status === 'fetching' || status === 'planning') return run.cancelRequested ? unchanged : { stop: true };
      // What is being applied is not interrupted by somebody who pushes.
      return unchanged;
  }
}

/** By report: where a run must stand for it to mean anything. */
const MEANT: Readonly<Record<Report['kind'], ReadonlySet<RunStatus>>> = {
  turn: new Set(['pending']),
  fetched: new Set(['fetching']),
  planned: new Set(['planning']),
  'apply-started': new Set(['confirmed']),
  applied: new Set(['applying']),
  failed: new Set(['pending', 'fetching', 'planning', 'confirmed', 'applying']),
  stopped: new Set(['fetching', 'planning', 'applying']),
  vanished: new Set(['planning', 'applying']),
  outdated: new Set(['planned', 'confirmed']),
};

function onReport(run: RunFacts, report: Report): Outcome {
  if (!MEANT[report.kind].has(run.status)) return unchanged;
  switch (report.kind) {
    case 'turn':
      return to('fetching');
    case 'fetched':
      return to('planning');
    case 'planned':
      return run.cancelRequested ? to('canceled') : afterPlan(run, report.hasChanges);
    case 'apply-started':
      return to('applying');
    case 'applied':
      // It was too late to stop: what was done is said, and not what was wished.
      return to('applied');
    case 'failed':
      return to('errored');
    case 'stopped':
      return to('canceled');
    case 'vanished':
      return to('errored');
    case 'outdated':
      return to('discarded');
  }
}

const WISHES: ReadonlySet<string> = new Set(['confirm', 'discard', 'cancel', 'force-cancel', 'supersede']);

const isWish = (event: RunEvent): event is Wish => WISHES.has(event.kind);

/** Where the run stands after the event. */
export function nextState(run: RunFacts, event: RunEvent): Outcome {
  return isWish(event) ? onWish(run, event) : onReport(run, event);
}

/** What may be asked of a run as it stands, for buttons and for the fields of an API. */
export function possible(run: RunFacts): Readonly<Record<'confirm' | 'discard' | 'cancel' | 'force-cancel', boolean>> {
  const can = (wish: Wish): boolean => {
    const outcome = nextState(run, wish);
    return 'to' in outcome || 'stop' in outcome;
  };
  return {
    confirm: can({ kind: 'confirm' }),
    discard: can({ kind: 'discard' }),
    cancel: can({ kind: 'cancel' }),
    'force-cancel': can({ kind: 'force-cancel' }),
  };
}
