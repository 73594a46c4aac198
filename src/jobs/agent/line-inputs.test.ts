import { describe, expect, it } from '@jest/globals';
import { inputsOfTurn } from './line-inputs.js';
import type { SessionInput } from './machine.js';

const said = {
  message: { kind: 'message', text: 'Which colour?' },
  tool: { kind: 'tool', name: 'write', summary: '' },
  question: { kind: 'question', id: '1', text: 'Which colour?', choices: [] },
  cost: { kind: 'cost', tokens: 1, costMicros: 1 },
  done: { kind: 'done', ok: true, title: '', summary: '' },
  gaveUp: { kind: 'done', ok: false, title: '', summary: '' },
} satisfies Record<string, SessionInput>;
type Word = keyof typeof said;

const isDone = (words: readonly Word[], o: { asks?: boolean; isToldMore?: boolean } = {}) => {
  const inputs = words.map((word) => said[word]);
  const left = inputsOfTurn(inputs, { asks: false, isToldMore: false, ...o });
  expect(left.filter(({ kind }) => kind !== 'done')).toEqual(inputs.filter(({ kind }) => kind !== 'done'));
  return left.some(({ kind }) => kind === 'done');
};

describe('the end of a turn', () => {
  it('is the end of the work, where nothing was asked and nobody has said more', () => {
    expect(isDone(['message', 'cost', 'done'])).toBe(true);
    expect(isDone(['tool', 'done'], { asks: true })).toBe(true);
    expect(isDone(['question', 'tool', 'message', 'done'])).toBe(true);
  });

  it('is none where it has ended with a question, whenever that was read, or somebody has said more', () => {
    expect(isDone(['message', 'question', 'cost', 'done'])).toBe(false);
    expect(isDone(['cost', 'done'], { asks: true })).toBe(false);
    expect(isDone(['tool', 'question', 'message', 'done'])).toBe(false);
    expect(isDone(['message', 'done'], { isToldMore: true })).toBe(false);
  });

  it('is one for good when the agent gives up', () => {
    expect(isDone(['question', 'gaveUp'], { asks: true, isToldMore: true })).toBe(true);
  });
});
