import { expect, it } from '@jest/globals';
import { unwrap } from '../failures.js';
import { legacyHint } from './hint.js';

const thrown = (work: (context: never) => unknown): Error => {
  try {
    work({ octokit: {}, log: {} } as never);
  } catch (error) {
    return error as Error;
  }
  throw new Error('Nothing was thrown.');
};

// biome-ignore lint/suspicious/noExplicitAny: as an app without types sees it.
type Any = any;

it.each([
  ['v13', (context: Any) => context.octokit.issues.createComment({})],
  ['v9', (context: Any) => context.github.issues.createComment({})],
  ['v9', (context: Any) => context.github.pullRequests.getFiles({})],
  ['v12', (context: Any) => context.log('x')],
  ['v9', (app: Any) => app.route('/x')],
  ['v12', ({ app }: Any) => app.on('issues', () => undefined)],
  ['v12', (_app: Any, { getRouter }: Any = {}) => getRouter('/x')],
  [undefined, (context: Any) => context.payload.get('x')],
  [undefined, (context: Any) => context.payload.comment.body],
  [undefined, (context: Any) => context.nothing('x')],
] as const)('%s is named for what the app called', (level, work) => {
  const error = thrown(work as never);
  expect([error.message, legacyHint(error)]).toEqual([error.message, level]);
});

it('is told with the failure, once', () => {
  const error = thrown(((context: Any) => context.octokit.issues.createComment({})) as never);
  const { message } = unwrap(new AggregateError([error]));
  expect(message).toMatch(
    /\(reading 'createComment'\)\. If the app was written for an older Probot, run it with --legacy v13\.$/,
  );
  expect(unwrap(new AggregateError([error])).message).toBe(message);
});

it('is the text where a handler threw one', () => {
  // As Octokit attaches the event to it.
  const text = Object.assign(Object('out of beans'), { event: {} }) as Error;
  expect(unwrap(new AggregateError([text])).message).toBe('A handler threw what is no Error: out of beans');
});
