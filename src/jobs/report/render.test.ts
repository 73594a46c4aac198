import { describe, expect, it } from '@jest/globals';
import type { ReportRow } from './desired.js';
import { escapeText, linkTarget } from './escape.js';
import { markerFor, startsWithMarker } from './marker.js';
import { COMMENT_LIMIT, renderComment } from './render.js';
import { DESCRIPTION_LIMIT, shorten } from './shorten.js';

const row = (more: Partial<ReportRow> = {}): ReportRow => ({
  component: 'preview/web',
  icon: '✅',
  status: 'Ready',
  links: [
    { label: 'Visit', url: 'https://a.example/' },
    { label: 'Logs', url: 'https://a.example/logs?x=1' },
  ],
  sha: 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334',
  updatedAt: new Date('2026-11-22T02:40:00Z'),
  ...more,
});

describe('renderComment', () => {
  it('writes the agreed form', () => {
    const rows = [
      row(),
      row({ component: 'preview/docs', status: 'Skipped', skipped: true, links: [], note: 'No changes' }),
    ];
    expect(renderComment('<!-- m -->', rows, ['/preview rebuild', '/help'])).toBe(
      [
        '<!-- m -->',
        '',
        '| Component | Status | Link | Commit | Updated (UTC) |',
        '|---|---|---|---|---|',
        '| preview/web | ✅ Ready | [Visit](https://a.example/) · [Logs](https://a.example/logs?x=1) | `a1b2c3d` | Nov 22, 02:40 |',
        '',
        '**preview/docs**: No changes',
        '',
        '<details><summary>1 skipped</summary>',
        '',
        '| Component | Status | Link | Commit | Updated (UTC) |',
        '|---|---|---|---|---|',
        '| preview/docs | ✅ Skipped | – | `a1b2c3d` | Nov 22, 02:40 |',
        '',
        '</details>',
        '',
        '<details><summary>Commands</summary>',
        '',
        '`/preview rebuild` · `/help`',
        '',
        '</details>',
        '',
      ].join('\n'),
    );
  });

  it.each([
    'a|b',
    '`id`',
    'x\n| forged | row |',
    '<img src=x onerror=y>',
    '<!-- forgeway:status v1 0 -->',
    '</details>',
    '@alice and @acme/team',
    '[click](https://evil.example)',
    '![](https://evil.example/x.png)',
    '\u202Egnp.exe\u200B',
    '$(id) \u0024{{github.token}}',
    'see #12 and acme/web#3 and GH-4',
  ])('lets no text out of its cell: %j', (text) => {
    const body = renderComment('<!-- m -->', [row({ component: text, status: text, note: text })], []);
    const lines = body.split('\n');
    expect(lines).toHaveLength(8);
    expect(lines[4]?.split('|')).toHaveLength(7);
    expect(lines.slice(1).join('\n')).not.toMatch(/<|@\w|(?<!&)#\d|GH-\d|\]\(https:\/\/evil|\u202E/);
  });

  it('shows a command as the line to type, and nothing else as code', () => {
    const noteOf = (note: string) =>
      renderComment('<!-- m -->', [row({ note })], [])
        .split('\n')
        .at(-2);
    expect(noteOf('She comments `/ok-to-test a1b2c3d`; that <i>holds</i>.')).toBe(
      '**preview/web**: She comments `/ok-to-test a1b2c3d`; that &lt;i&gt;holds&lt;/i&gt;.',
    );
    expect(noteOf('`/preview` or a push')).toBe('**preview/web**: `/preview` or a push');
    for (const other of ['`/x <b>`', '`/x @alice`', '`/x\n# y`', '`/x #12`', '`/$(id)`', '`/a``/b c|d`'])
      expect(noteOf(other)?.replace('`/a`', '')).not.toMatch(/`|<|@\w|(?<!&)#\d|\|/);
  });

  it('stays within the limit of a comment, keeping the end', () => {
    const rows = Array.from({ length: 900 }, (_, index) => row({ component: `part-${index}`, note: '😀'.repeat(60) }));
    const body = renderComment('<!-- m -->', rows, []);
    expect(body.length).toBeLessThanOrEqual(COMMENT_LIMIT);
    expect(body.startsWith('<!-- m -->\n\n_The beginning was cut')).toBe(true);
    expect(body).toContain('part-899');
    expect(body).not.toMatch(/\p{Surrogate}/u);
  });
});

describe('the parts', () => {
  it('offers only addresses of the web, without a user name in them', () => {
    expect(linkTarget('http://pr-1.preview.localhost:3001/a_b?c=d#e')).toBe(
      'http://pr-1.preview.localhost:3001/a_b?c=d#e',
    );
    expect(linkTarget('https://x.example/a)b|c d')).toBe('https://x.example/a%29b%7Cc%20d');
    for (const url of ['javascript:alert(1)', 'data:text/html,x', 'https://u:p@x.example/', 'not a url'])
      expect(linkTarget(url)).toBeUndefined();
  });

  it('leaves plain words as they are', () => {
    expect(escapeText('Ready in 12.3 s – feature/login')).toBe('Ready in 12.3 s – feature/login');
  });

  it('cuts a description to one line of 140 without halving a character', () => {
    const short = shorten(`a\nb ${'😀'.repeat(100)}`, DESCRIPTION_LIMIT);
    expect(short.length).toBeLessThanOrEqual(DESCRIPTION_LIMIT);
    expect(short.startsWith('a b 😀')).toBe(true);
    expect(short).not.toMatch(/\p{Surrogate}/u);
  });

  it('makes a marker that no other pull request, forge or key has', () => {
    const key = Buffer.alloc(32, 1);
    const subject = { forge: 'one', host: 'one.example', remoteRepositoryId: 7n, number: 1 };
    const marker = markerFor(key, subject);
    const others = [
      markerFor(Buffer.alloc(32, 2), subject),
      markerFor(key, { ...subject, forge: 'two' }),
      markerFor(key, { ...subject, host: 'two.example' }),
      markerFor(key, { ...subject, remoteRepositoryId: 71n }),
      markerFor(key, { ...subject, remoteRepositoryId: 7n, number: 11 }),
    ];
    expect(new Set([marker, ...others]).size).toBe(6);
    expect(startsWithMarker(`${marker}\r\n\r\nrest`, marker)).toBe(true);
    expect(startsWithMarker(`hello\n${marker}`, marker)).toBe(false);
    expect(startsWithMarker('', marker)).toBe(false);
  });
});
