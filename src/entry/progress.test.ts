import { describe, expect, it } from '@jest/globals';
import { startProgress } from './progress.js';

const output = (isTTY: boolean) => {
  const written: string[] = [];
  return { isTTY, written, write: (text: string) => written.push(text) };
};

describe('progress', () => {
  it('writes one line over and over on a terminal, and leaves it in the end', () => {
    const terminal = output(true);
    const progress = startProgress(2, 'queued', terminal);
    progress.at(1);
    progress.at(2);
    progress.end();
    expect(terminal.written).toEqual(['\r1 of 2 queued', '\r2 of 2 queued', '\n']);
  });

  it('writes a few plain lines elsewhere, the last one always', () => {
    const file = output(false);
    const progress = startProgress(101, 'queued', file);
    for (let done = 1; done <= 101; done += 1) progress.at(done);
    progress.end();
    expect(file.written.length).toBeLessThanOrEqual(12);
    expect(file.written.at(-1)).toBe('101 of 101 queued\n');
    expect(file.written.join('')).not.toContain('\r');
  });
});
