/** What people ask of a check run on its page, as the page sees it; see `entry/check-run-requests.ts`. */
import type { Person } from '../accounts/access/actor.js';

export interface CheckRunRef {
  organizationId: string;
  recordId: bigint;
}

export interface CheckRunRefusal {
  kind: 'refused';
  status: 403 | 404 | 503;
  /** Why, and what to do, for the person. */
  message: string;
}

/** Whether somebody may press the buttons, as the forge says now. */
export type CheckRunRight = { kind: 'may' } | CheckRunRefusal;

export interface CheckRunRequests {
  rightOf(run: CheckRunRef, person: Person): Promise<CheckRunRight>;
  /**
   * Tells the app that made it.
   * @param o.identifier of one of its actions; absent: it is to be run again
   * @param o.press the same for the same press, however often it is sent
   */
  ask(
    run: CheckRunRef,
    person: Person,
    o: { identifier?: string; press: string },
  ): Promise<{ kind: 'asked' } | CheckRunRefusal>;
}
