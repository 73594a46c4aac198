import { describe, expect, it } from '@jest/globals';
import { quietWords } from './agent-words.js';

const B = '\u200B';

describe('words of an agent', () => {
  it.each([
    ['Thanks, @everyone and @acme/admins', `Thanks, @${B}everyone and @${B}acme/admins`],
    ['(@carol)', `(@${B}carol)`],
    ['Closes #3, fixes acme/shop#4 and #12', `Closes #${B}3, fixes acme/shop#${B}4 and #12`],
    ['Fixes GH-4', `Fixes GH${B}-4`],
    ['Closes https://forge.example/acme/shop/issues/4', `Closes https:${B}//forge.example/acme/shop/issues/4`],
    ['Closes https://x.example/g/p/-/work_items/4', `Closes https:${B}//x.example/g/p/-/work_items/4`],
    // Readable as it was.
    ['Mail ada@example.com, see https://docs.example/a#1x', `Mail ada@example.com, see https://docs.example/a#${B}1x`],
    ['# Heading\n\n- `npm i`\n&#39;', '# Heading\n\n- `npm i`\n&#39;'],
  ])('%j', (text, quiet) => {
    expect(quietWords(text, 12)).toBe(quiet);
    expect(quiet.replaceAll(B, '')).toBe(text);
  });
});
