import type { JsonObject } from '../../forge.js';
import type { ReviewInput } from '../../kit/shapes/inputs.js';
import { textAt } from './fields.js';

const STATES: ReadonlyMap<string, ReviewInput['state']> = new Map([
  ['pull_request_review_approved', 'approved'],
  ['pull_request_approved', 'approved'],
  ['pull_request_review_rejected', 'changes_requested'],
  ['pull_request_rejected', 'changes_requested'],
  ['pull_request_review_comment', 'commented'],
  ['pull_request_comment', 'commented'],
]);

/** What a review decided. The payload says it in `review.type`, the headers say it too. */
export function reviewState(eventType: string, payload: JsonObject): ReviewInput['state'] | undefined {
  const names = [textAt(payload, 'review.type') ?? '', ...eventType.split('/').reverse()];
  return names.map((name) => STATES.get(name)).find((state) => state !== undefined);
}
