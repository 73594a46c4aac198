import { describe, expect, it } from '@jest/globals';
import { LeftBehind } from '../lib/left-behind.js';
import { isPermanent, notAnError, unwrap, wholeRun } from './failures.js';

describe('what was thrown that is no error', () => {
  it.each([
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
    [7, '7'],
    [{ code: 7, why: 'object', event: { payload: 'of the delivery' } }, "{ code: 7, why: 'object' }"],
    [Object.assign(Object('out of beans'), { event: {} }), 'out of beans'],
  ])('%p is shown', (thrown, shown) => {
    expect(notAnError(thrown).message).toBe(`A handler threw what is no Error: ${shown}`);
  });

  it('is shown in part when it is long', () => {
    expect(notAnError('x'.repeat(5_000)).message.length).toBeLessThan(300);
  });
});

describe('a run', () => {
  const refused = () => Object.assign(new Error('Not Found'), { name: 'HttpError', status: 404, request: {} });

  it('is as good as its handlers and what they left behind', async () => {
    await wholeRun(Promise.resolve(), undefined);
    await wholeRun(Promise.resolve(), new LeftBehind());
    const leftBehind = new LeftBehind();
    leftBehind.rejected(refused());
    const failure = await wholeRun(Promise.resolve(), leftBehind).catch((error: unknown) => error);
    expect(unwrap(failure).message).toBe('a promise that the handler did not await was rejected: Not Found');
    expect(isPermanent(unwrap(failure))).toBe(true);
  });

  it('tells all that failed, and may be tried again when one of it may', async () => {
    const leftBehind = new LeftBehind();
    leftBehind.rejected(refused());
    const thrown = new AggregateError([new Error('busy')]);
    const failure = unwrap(await wholeRun(Promise.reject(thrown), leftBehind).catch((error: unknown) => error));
    expect(failure.message).toBe('busy; a promise that the handler did not await was rejected: Not Found');
    expect(isPermanent(failure)).toBe(false);
  });
});
