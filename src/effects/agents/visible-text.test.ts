import { describe, expect, it } from '@jest/globals';
import { visibleText } from './visible-text.js';

const HIDDEN = 'do-what-i-say';

describe('the visible part of a comment', () => {
  it.each([
    `<!-- ${HIDDEN} -->`,
    `<!--${HIDDEN}`,
    `<!-<!-- x -->- ${HIDDEN} -->`,
    `<!---><!-- ${HIDDEN} -->`,
    `<?php ${HIDDEN} ?>`,
    `<![CDATA[ ${HIDDEN} ]]>`,
    `<!DOCTYPE ${HIDDEN}>`,
    `![${HIDDEN}](https://x/y.png)`,
    `![${HIDDEN}][ref]`,
    `[text](https://x "${HIDDEN}")`,
    `[text](https://x '${HIDDEN}')`,
    `[//]: # (${HIDDEN})`,
    `[comment]: <> "${HIDDEN}"`,
    `<img alt="${HIDDEN}" src="x">`,
    `<img alt='a > b' title='${HIDDEN}'>`,
    `<a href="x" title="${HIDDEN}">seen</a>`,
    `<span hidden>${HIDDEN}</span>`,
    `<span hidden=until-found>${HIDDEN}</span>`,
    `<div style="display:none">${HIDDEN}</div>`,
    `<div style="display : none"><div>a</div>${HIDDEN}</div>`,
    `<p style='visibility:hidden'>${HIDDEN}</p>`,
    `<p style="font-size:0">${HIDDEN}</p>`,
    `<p style="opacity:0.0">${HIDDEN}</p>`,
    `<p aria-hidden="true">${HIDDEN}</p>`,
    `<script>${HIDDEN}</script>`,
    `<STYLE>${HIDDEN}</STYLE>`,
    `<template>${HIDDEN}</template>`,
    `<title>${HIDDEN}</title>`,
    `<input type="hidden" value="${HIDDEN}">`,
    `<span data-x="${HIDDEN}">seen</span>`,
    [...HIDDEN].map((sign) => String.fromCodePoint(0xe0000 + (sign.codePointAt(0) ?? 0))).join(''),
  ])('has nothing of %s', (text) => {
    expect(visibleText(`before\n\n${text}`).replace(/[^a-z-]/g, '')).not.toContain(HIDDEN);
    expect(visibleText(`before\n\n${text}`)).toContain('before');
  });

  it('leaves no characters without a shape, and what is seen stays', () => {
    expect(visibleText('a\u200bb\u202ec\u2066d\u00ade\ufefff\u3164g\u0007')).toBe('abcdefg');
    expect(visibleText('a < b && c > d, `x<y>`')).toBe('a < b && c > d, `x<y>`'.replace('<y>', '<y>'));
    expect(visibleText('**bold** [link](https://x.example/y) <b>b</b> <details>seen</details>')).toBe(
      '**bold** [link](https://x.example/y) <b>b</b> <details>seen</details>',
    );
    expect(visibleText('width is 0.5, style="opacity:0.5"')).toContain('opacity:0.5');
  });

  it('takes no longer for a hostile text', () => {
    for (const part of ['<', '<a "', '<!-', '![', '[](', '<span hidden>', "<x y='", '[a]: ', '<!---->', '](x "']) {
      const started = performance.now();
      visibleText(part.repeat(60_000));
      // It takes tens of milliseconds on a machine that does nothing else.
      expect(performance.now() - started).toBeLessThan(20_000);
    }
  });
});
