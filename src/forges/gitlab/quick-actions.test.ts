import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toGitHubBody, toNativeBody } from './quick-actions.js';

/** What GitLab passes over, from its first fence to the next line that is one. */
const CODE = /^```.+?\n```$/gms;
/** How GitLab finds orders in the rest: a line that begins with a slash and a name. */
const orders = (text: string) =>
  text
    .replace(CODE, '')
    .split(/\r\n|\n/)
    .filter((line) => /^[ \t]*\/[a-z_]+(?:[ \t]|$)/i.test(line));

describe('texts of apps on GitLab', () => {
  it.each([
    ['alone', '/merge'],
    ['with what it is about', 'Done.\n\n/assign @mallory\n/label ~"a b"'],
    ['set in', 'x\n  /close\n\t/approve'],
    ['with other line ends', 'x\r\n/merge\r\n/Close\r\n'],
    ['in what looks like code', '`a\n/merge\nb`\n```\n/close\n```'],
    ['that one carries a joiner already', '\u2060/merge'],
    ['in a quotation that is none', '>\n/merge'],
  ])('give no order %s', (_what, text) => {
    const native = toNativeBody(text);
    expect(orders(native)).toEqual([]);
    // Nothing is seen of it, and apps read what they wrote.
    expect(native.replaceAll('\u2060', '')).toBe(text.replaceAll('\u2060', ''));
    expect(toGitHubBody(native)).toBe(text);
  });

  it.each([['/usr/bin/env node'], ['a /merge b'], ['https://x.example/merge'], ['/assign-agent'], ['1/2\n/3']])(
    'leave %s alone',
    (text) => {
      expect(toNativeBody(text)).toBe(text);
    },
  );

  it('leave blocks of code alone that are code to everybody', () => {
    const code = '```suggestion\n/dist\n/docs @acme/writers\n```';
    expect(toNativeBody(`Leave \`dist\` out:\n${code}\n\n/close`)).toBe(`Leave \`dist\` out:\n${code}\n\n\u2060/close`);
    for (const text of [`< a>\n${code.replace('/dist', '</b>\n/dist')}`, `\`\n${code}`, `- ${code}`, `\`${code}`])
      expect(toNativeBody(text)).toContain('\u2060/dist');
  });

  it.each(['````', '~~~'])('offer no change that would be applied with what guards it, between %s', (fence) => {
    const code = (name: string) => `${fence}${name}\n/dist\n${fence}`;
    expect(orders(toNativeBody(code('suggestion')))).toEqual([]);
    expect(toNativeBody(code('suggestion'))).toBe(code('').replace('/dist', '\u2060/dist'));
    expect(toNativeBody(code('suggestion').replace('/dist', 'dist'))).toContain('suggestion');
  });

  it('leave what people wrote as it is, so that commands are read', () => {
    expect(toGitHubBody('/preview\n/reply yes')).toBe('/preview\n/reply yes');
  });

  it('are read as they were written, whatever they are', () => {
    const piece = fc.constantFrom(
      '/',
      'merge',
      'a',
      ' ',
      '\t',
      '\n',
      '\r\n',
      '\u2060',
      '`',
      '```',
      '>',
      '#12',
      '!3',
      '<!--',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const text = pieces.join('');
        expect(toGitHubBody(toNativeBody(text))).toBe(text);
        expect(orders(toNativeBody(text))).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });
});
