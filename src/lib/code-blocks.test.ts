import { describe, expect, it } from '@jest/globals';
import { markdownParts, withoutSuggestions } from './code-blocks.js';

const F = '```';
const block = `${F}suggestion\n@Injectable()\n${F}`;

describe('blocks of code in Markdown', () => {
  it.each([
    ['alone', [block]],
    ['between paragraphs', ['Call `@Inject` so:\n', `${block}\n`, 'and `a<b>`, or a < b.']],
    ['one after the other', [`${F}\na\n${F}\n`, `${F}ts\nb\n${F}\n`]],
    ['with code that has signs of code in it', [`${F}js\nconst a = \`x ${F} y\`;\n    ${'``'}\n${F}`]],
    ['after a list and a quotation', ['- one\n> two\n', `${block}\n`]],
  ])('are found %s', (_what, texts) => {
    const parts = markdownParts(texts.join(''));
    expect(parts?.map(({ text }) => text)).toEqual(texts);
    expect(parts?.map(({ isCode }) => isCode)).toEqual(texts.map((text) => text.startsWith(F)));
  });

  it.each([
    ['longer', [`Write:\n`, `${F}\`suggestion\n${F}js\n@Injectable()\n${F}\n${F}\`\n`, 'Then @carol.']],
    ['of tildes', [`~~~suggestion\n${F}\n@Injectable()\n~~~\n`, `${F}\n~~~\n${F}\n`, '~~~~\n~~~\n~~~~']],
  ])('are found between fences that are %s, and in doubt for whoever knows the plain one alone', (_what, texts) => {
    expect(markdownParts(texts.join(''))?.map(({ text }) => text)).toEqual(texts);
    expect(markdownParts(texts.join(''), 'plain')).toBeUndefined();
  });

  it('are none in prose', () => {
    expect(markdownParts('Just `this` @carol\n')).toEqual([{ isCode: false, text: 'Just `this` @carol\n' }]);
    expect(markdownParts('')).toEqual([{ isCode: false, text: '' }]);
  });

  it.each([
    ['has no end', `${F}\n@carol`],
    ['may have ended before', `${F}\n   ${F}\n@carol\n${F}`],
    ['may have been another', `${F}a\n${F}b\n@carol\n${F}`],
    ['ends with less than it begins with', `${F}\`\n@carol\n${F}`],
    ['ends with another fence', `~~~\n@carol\n${F}`],
    ['may have ended with more', `~~~\na\n~~~~\n@carol\n~~~`],
    ['may have ended before, of tildes', `~~~\na\n  ~~~ \n@carol\n~~~`],
    ['is of tildes and empty', `~~~\n~~~\nx\n~~~\n@carol\n~~~`],
    ['has a quotation that some find first', `~~~\n>>>\n~~~\n@carol\n~~~\n>>>\n~~~`],
    ['is empty, and may end later', `${F}\n${F}\nx\n${F}\n@carol\n${F}`],
    ['stands in what looks like HTML', `< a>\n${F}\n</a>\n@carol\n${F}`],
    ['begins set in', ` ${F}\nx\n${F}\n@carol\n${F}\n`],
    ['begins in a list', `- ${F}\n  x\n${F}\n@carol\n${F}`],
    ['stands after another fence', `~~~\n${F}\n~~~\n@carol\n${F}`],
    ['stands in HTML', `<textarea>\n${F}\n@carol\n${F}`],
    ['stands in HTML within a line', `a <textarea>\n${F}\n@carol\n${F}`],
    ['stands in HTML that is code to some', `\\\`<textarea>\`\n${F}\n@carol\n${F}`],
    ['stands in HTML of a table', `| \`a | <textarea>\` |\n|-|-|\n${F}\n@carol\n${F}`],
    ['stands in HTML between longer signs', `${'``'} \`<textarea>\` ${'``'}\n${F}\n@carol\n${F}`],
    ['stands in a comment', `<!--\n${F}\n-->\n@carol\n${F}`],
    ['stands in settings', `---\n${F}\n---\n@carol\n${F}`],
    ['stands in a formula', `$$\n${F}\n$$\n@carol\n${F}`],
    ['stands in a quotation', `>>>\n${F}\n>>>\n@carol\n${F}`],
    ['begins in the middle of a line for some', `x\u2028${F}\n${F}\n@carol\n${F}`],
    ['begins after an odd end of a line', `a\r${F}\n@carol\n${F}`],
  ])('are left open where one %s', (_what, text) => {
    expect(markdownParts(text)).toBeUndefined();
  });

  it('are shown and not applied any more', () => {
    const all = [`${F}suggestion\na`, `  ~~~~ Suggestion:-1+0\nb`, `- > ${F}suggestion x\nc`, '1. ```suggestion'].join(
      '\n',
    );
    expect(withoutSuggestions(all)).not.toMatch(/suggestion/i);
    expect(withoutSuggestions(`a suggestion\n${F}js\nsuggestion\n${F}`)).toBe(`a suggestion\n${F}js\nsuggestion\n${F}`);
  });
});
