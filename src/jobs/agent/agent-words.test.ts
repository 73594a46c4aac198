import { describe, expect, it } from '@jest/globals';
import { quietRemark, quietWords } from './agent-words.js';

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

describe('a remark of an agent', () => {
  const F = '```';
  const code = `${F}suggestion\n@Injectable() // as in #3, GH-4\nexport class Prices {}\n${F}`;

  it('has code in it that is as it was written, and calls nobody beside it', () => {
    const text = (mention: string) => `Ask ${mention}carol:\n\n${code}\n\nThen \`x\` ${mention}dave.`;
    expect(quietRemark(text('@'), 12)).toBe(text(`@${B}`));
    expect(quietRemark(code, 12)).toBe(code);
  });

  it('calls nobody where forges may differ on what is code, and suggests nothing that was changed', () => {
    const plain = `${F}\n@${B}Injectable() // as in #${B}3, GH${B}-4\nexport class Prices {}\n${F}`;
    expect(quietRemark(`<b>So</b>:\n${code}`, 12)).toBe(`<b>So</b>:\n${plain}`);
    expect(quietRemark(`${code}\n${F}suggestion\n@carol`, 12)).toBe(`${plain}\n${F}\n@${B}carol`);
    // Nothing of it had to be changed.
    const harmless = `<b>So</b>:\n${F}suggestion\nlet x;\n${F}`;
    expect(quietRemark(harmless, 12)).toBe(harmless);
  });
});
