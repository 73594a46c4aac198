import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  groupPath,
  ISSUE_NUMBER_BASE,
  issueNumber,
  nameOf,
  nativeNumber,
  ownerOf,
  projectPath,
  toGitHubText,
  toNativeText,
} from './references.js';

const J = '\u2060';

describe('numbers and paths', () => {
  it('keep merge requests and issues apart', () => {
    expect(issueNumber(5)).toBe(1_000_000_005);
    expect(nativeNumber(5)).toEqual({ kind: 'merge_request', iid: 5 });
    expect(nativeNumber(issueNumber(5))).toEqual({ kind: 'issue', iid: 5 });
    expect(nativeNumber(ISSUE_NUMBER_BASE)).toEqual({ kind: 'merge_request', iid: ISSUE_NUMBER_BASE });
  });

  it('make one owner of nested groups and take it apart again', () => {
    expect([ownerOf('a/b/c/web'), nameOf('a/b/c/web')]).toEqual(['a~b~c', 'web']);
    expect([ownerOf('me/web'), nameOf('me/web')]).toEqual(['me', 'web']);
    expect([ownerOf('web'), nameOf('web')]).toEqual(['', 'web']);
    expect(projectPath('a~b~c', 'web')).toBe('a/b/c/web');
    expect(groupPath('a~b')).toBe('a/b');
  });
});

describe('texts', () => {
  const pairs: [what: string, native: string, github: string][] = [
    ['a merge request', 'See !12.', 'See #12.'],
    ['an issue', 'Closes #12', 'Closes #1000000012'],
    ['both, in brackets', '(#1, !2)', '(#1000000001, #2)'],
    ['a range', '#1-#3', '#1000000001-#1000000003'],
    ['GitLab’s suffix for titles', '#1+ and !2+s', '#1000000001+ and #2+s'],
    ['another project', 'group/web!12', 'group/web#12'],
    ['another project’s issue', 'group/web#12', 'group/web#1000000012'],
    ['a nested project', 'a/b/web!12 a/b/c/web#1', 'a~b/web#12 a~b~c/web#1000000001'],
    ['the start of a line', 'x\n#12\r\n!13', 'x\n#1000000012\r\n#13'],
    ['Chinese', '修复#12', '修复#1000000012'],
    ['a list', '- #12\n    - !13\n\n      !14', '- #1000000012\n    - #13\n\n      #14'],
    ['a title', 'Draft: revert "!12"', 'Draft: revert "#12"'],
    ['what no closing backtick makes code', 'a ` #12', 'a ` #1000000012'],
    ['the text of a link', '[#12](https://x.example/#12)', '[#1000000012](https://x.example/#12)'],
    ['a quote', '> !12', '> #12'],
    ['the line after a fence', '```\n#1\n```\n#2', '```\n#1\n```\n#1000000002'],
    ['what an app writes as text', `wow !${J}12`, 'wow !12'],
    ['what an app writes as a path', `src/lib/x#${J}12`, 'src/lib/x#12'],
    ['what a person writes as text', '#1000000012', `#${J}1000000012`],
    ['what a person writes with a tilde', 'a~b/c#12', `a~b/c#${J}12`],
    ['what is escaped already', `#${J}1000000012 !${J}${J}12`, `#${J}${J}1000000012 !${J}12`],
  ];

  it.each(pairs)('rewrite %s', (_what, native, github) => {
    expect(toGitHubText(native)).toBe(github);
    expect(toNativeText(github)).toBe(native);
  });

  it.each([
    ['code', 'a `#12` b'],
    ['code with backticks in it', '`` ` #12 ``'],
    ['code over two lines', '`a\n#12`'],
    ['a fence', '```ruby\n#12\n\n!13\n```'],
    ['a fence with tildes', '~~~~\n#12\n~~~\n!13'],
    ['a fence in a quote', '> ```\n> #12\n> ```'],
    ['a fence in a list', '1. x\n\n   ```\n   #12\n   ```'],
    ['an open fence', '```\n#12'],
    ['indented code', 'x:\n\n    #12\n\n    !13'],
    ['indentation by a tab', '\t!12'],
    ['a comment', 'x <!-- state: #12 --> y'],
    ['a comment over blank lines', '<!--\n\n#12\n\n-->'],
    ['a comment that does not end', 'x <!-- #12'],
    ['preformatted HTML', '<pre>\n\n#12\n</pre>'],
    ['an attribute', '<a href="#12">x</a>'],
    ['a code element', '<code>!12</code>'],
    ['an address', 'https://gitlab.example.com/a/b/-/issues/1#12 and www.example.com/#12'],
    ['an anchor', '[top](#12)'],
    ['the definition of a link', '[x]: #12'],
    ['an entity', '&#39;'],
    ['what is escaped', '\\#12 \\!12'],
    ['a word', 'web#12 a_!12'],
    ['a longer word', '#12a #12_'],
    ['a number with zeros before', '#012 !0'],
    ['a heading', '# 12'],
    ['numbers that no issue has', '#1000000000 #2000000000 !1000000001 !99999999999999999999'],
    ['several signs', '##12 !!12 #!12'],
    ['an image', '![12](x)'],
  ])('leave %s alone', (_what, text) => {
    expect(toGitHubText(text)).toBe(text);
    // What only an app would write means the same and is escaped at most.
    expect(toGitHubText(toNativeText(text))).toBe(text);
  });

  const piece = fc.oneof(
    fc.constantFrom(
      ...[
        '#',
        '!',
        J,
        '12',
        '1',
        '0',
        '1000000012',
        '1000000000',
        '2000000000',
        '999999999',
        '1999999999',
        'a',
        '/',
        '~',
      ],
      ...[
        'a/b',
        'a/b/c',
        'a~b/c',
        'a~b',
        'a/b~c',
        ' ',
        '  ',
        '    ',
        '\t',
        '\n',
        '\n\n',
        '\r\n',
        '`',
        '``',
        '```',
        '~~~',
        '>',
      ],
      ...[
        '- ',
        '1. ',
        '<!--',
        '-->',
        '<a',
        '<pre>',
        '</pre>',
        '<code>',
        '</code>',
        '>',
        'https://x/',
        'www.',
        '](',
        '[x]: ',
      ],
      ...['\\', '&', '-', '.', '@', '_', ')', '[', '修', '\u0000', '\ud800', '\udc00', '😀', '\u2028'],
    ),
    fc.string({ unit: 'binary', maxLength: 4 }),
  );
  const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

  it('come back as they were, whatever they hold, from either side', () => {
    fc.assert(
      fc.property(text, (x) => {
        expect(toNativeText(toGitHubText(x))).toBe(x);
        expect(toGitHubText(toNativeText(x))).toBe(x);
      }),
      { numRuns: 20_000 },
    );
  });

  it('are read in a time that grows with their length only', () => {
    const size = 300_000;
    const hostile = ['`a', '``a`', '<!--', '<a', 'a/', '#1', 'a~b/', '[', '](', '!\u2060', '> ', '\\', 'x:', '~~~\n'];
    for (const part of hostile) {
      const long = `${part.repeat(size / part.length)} #1`;
      expect(toNativeText(toGitHubText(long))).toBe(long);
    }
  });
});
