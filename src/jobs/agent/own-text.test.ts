import { describe, expect, it } from '@jest/globals';
import { isOwnText, signedText } from './own-text.js';

describe('the text of a pull request of an agent', () => {
  const text = signedText('It is blue now.\n\nCloses #3.\n');

  it('is known as its own, however a forge ends its lines', () => {
    expect(isOwnText(text)).toBe(true);
    expect(isOwnText(`${text.replaceAll('\n', '\r\n')}\r\n`)).toBe(true);
    expect(isOwnText(signedText(text.split('\n\n<!--')[0] ?? ''))).toBe(true);
  });

  it.each([
    ['a word was changed', text.replace('blue', 'navy')],
    ['something was added before', `Reviewed by ada.\n\n${text}`],
    ['something was added after', `${text}\n\nAnd more.`],
    ['its digest was taken out', text.replace(/<!--.*-->/, '')],
    ['there is none', ''],
  ])('is not when %s', (_, changed) => {
    expect(isOwnText(changed)).toBe(false);
  });
});
