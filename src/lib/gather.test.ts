import { describe, expect, it } from '@jest/globals';
import { gather } from './gather.js';

describe('gather', () => {
  it('answers what is asked in one turn together, each group by itself', async () => {
    const asked: (readonly string[])[] = [];
    const upper = gather<string, string>(
      (text) => text[0] ?? '',
      async (texts) => {
        asked.push(texts);
        return texts.map((text) => text.toUpperCase());
      },
    );
    expect(await Promise.all(['ab', 'ac', 'bc'].map((text) => upper.ask(text)))).toEqual(['AB', 'AC', 'BC']);
    expect(await upper.ask('ad')).toBe('AD');
    expect(asked).toEqual([['ab', 'ac'], ['bc'], ['ad']]);
  });

  it('fails for those of a group that failed, and goes on', async () => {
    const failing = { now: true };
    const one = gather<string, number>(
      (text) => text,
      async ([text]) => {
        if (text === 'bad' && failing.now) throw new Error('no');
        return [1];
      },
    );
    expect(await Promise.allSettled([one.ask('bad'), one.ask('good'), one.ask('bad')])).toMatchObject([
      { status: 'rejected', reason: { message: 'no' } },
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: { message: 'no' } },
    ]);
    failing.now = false;
    expect(await one.ask('bad')).toBe(1);
  });

  it('does not take fewer answers than there were questions', async () => {
    const none = gather<string, number>(
      () => '',
      async () => [],
    );
    await expect(none.ask('a')).rejects.toThrow('1 questions and 0 answers');
  });
});
