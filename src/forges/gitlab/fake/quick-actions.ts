/**
 * Orders in a text: GitLab carries them out in the name of whoever wrote it, also when it came by the API, and takes them
 * out of the text. Those here are the ones by which a text of an app would do most harm.
 *
 * @see https://docs.gitlab.com/user/project/quick_actions/
 */
import type { ThreadChange } from './change.js';
import { DRAFT } from './present-git.js';
import type { Thread, User } from './state.js';

const ORDER =
  /^[ \t]*\/(close|reopen|lock|unlock|title|label|unlabel|assign|unassign|draft)(?:[ \t]+(.*?))?[ \t]*\r?$/i;

/** `~bug ~"good first issue"` */
const labelsIn = (text: string): string[] =>
  [...text.matchAll(/~(?:"([^"]+)"|(\S+))/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

function changeBy(name: string, what: string, thread: Thread, users: readonly User[]): ThreadChange {
  const people = users.filter(({ username }) => what.split(/[\s,]+/).includes(`@${username}`)).map(({ id }) => id);
  switch (name) {
    case 'close':
    case 'reopen':
      return { state_event: name };
    case 'lock':
    case 'unlock':
      return { discussion_locked: name === 'lock' };
    case 'title':
      return { title: what };
    case 'draft':
      return DRAFT.test(thread.title) ? {} : { title: `Draft: ${thread.title}` };
    case 'label':
      return { add_labels: labelsIn(what) };
    case 'unlabel':
      return { remove_labels: labelsIn(what) };
    case 'assign':
      return { assignee_ids: [...thread.assigneeIds, ...people] };
    default:
      return { assignee_ids: what === '' ? [0] : thread.assigneeIds.filter((id) => !people.includes(id)) };
  }
}

/** What is left of the text, and what its orders change; undefined where it has none. */
export function ordersIn(
  text: string,
  thread: Thread,
  users: readonly User[],
): { rest: string; change: ThreadChange | undefined } {
  const kept: string[] = [];
  let change: ThreadChange | undefined;
  for (const line of text.split('\n')) {
    const [, name, what = ''] = ORDER.exec(line) ?? [];
    if (name === undefined) kept.push(line);
    else change = { ...change, ...changeBy(name.toLowerCase(), what, thread, users) };
  }
  return { rest: change === undefined ? text : kept.join('\n').trim(), change };
}
