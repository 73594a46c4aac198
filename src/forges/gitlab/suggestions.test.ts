import { describe, expect, it } from '@jest/globals';
import { toGitHubSuggestions, toNativeSuggestions } from './suggestions.js';

const F = '```';
const three = { line: 5, side: 'RIGHT', startLine: 3, startSide: 'RIGHT' } as const;

describe('suggested changes on GitLab', () => {
  it.each([
    ['a block', `So:\n${F}suggestion\na\nb\n${F}`, `So:\n${F}suggestion:-2+0\na\nb\n${F}`],
    [
      'several',
      `${F}suggestion\na\n${F}\n> ~~~ Suggestion \r\n> b`,
      `${F}suggestion:-2+0\na\n${F}\n> ~~~ Suggestion:-2+0 \r\n> b`,
    ],
  ])('are of all lines of their comment: %s', (_what, text, native) => {
    expect(toNativeSuggestions(text, three)).toBe(native);
    expect(toGitHubSuggestions(native, three)).toBe(text);
  });

  it.each([
    ['one line', { line: 5, side: 'RIGHT' }],
    ['lines that are gone', { ...three, side: 'LEFT', startSide: 'LEFT' }],
    ['lines of both sides', { ...three, startSide: 'LEFT' }],
    ['no line', { line: null }],
  ] as const)('are left alone on %s', (_what, lines) => {
    const text = `${F}suggestion\na\n${F}`;
    expect(toNativeSuggestions(text, lines)).toBe(text);
    expect(toGitHubSuggestions(text, lines)).toBe(text);
  });

  it('that replace other lines stay as a person has written them, and so does all else', () => {
    const text = `${F}suggestion:-1+3\na\n${F}\n${F}js\nsuggestion\n${F}\nA suggestion`;
    expect(toGitHubSuggestions(text, three)).toBe(text);
    expect(toNativeSuggestions(text, three)).toBe(text);
  });
});
