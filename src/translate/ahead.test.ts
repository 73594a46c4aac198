import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Ahead } from './ahead.js';

const never = new AbortController().signal;

describe('what is begun ahead', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is taken once, with its failure', async () => {
    const ahead = new Ahead<number>();
    ahead.begin('a', async () => 1);
    ahead.begin('b', () => Promise.reject(new Error('no')));
    expect(await ahead.take('a', never)).toBe(1);
    expect(ahead.take('a', never)).toBeUndefined();
    await expect(ahead.take('b', never)).rejects.toThrow('no');
    expect(ahead.take('c', never)).toBeUndefined();
  });

  it('is ended by whoever took it', async () => {
    const ahead = new Ahead<unknown>();
    const untilAborted = (signal: AbortSignal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
    ahead.begin('a', untilAborted);
    const controller = new AbortController();
    const taken = ahead.take('a', controller.signal);
    controller.abort('late');
    expect(await taken).toBe('late');
    ahead.begin('b', untilAborted);
    expect(ahead.take('b', AbortSignal.abort('over'))).toBeDefined();
  });

  it('is given up when it is begun again, when there is too much of it, and after a second', () => {
    jest.useFakeTimers();
    const ahead = new Ahead<number>();
    const signals: AbortSignal[] = [];
    const begin = (key: string) =>
      ahead.begin(key, async (signal) => {
        signals.push(signal);
        return signals.length;
      });
    for (let at = 0; at < 65; at += 1) begin(`${at}`);
    begin('64');
    expect(signals.flatMap(({ aborted }, at) => (aborted ? [at] : []))).toEqual([0, 64]);
    expect(ahead.take('0', never)).toBeUndefined();
    jest.advanceTimersByTime(1_001);
    expect(ahead.take('1', never)).toBeUndefined();
    expect(signals[1]?.aborted).toBe(true);
  });
});
