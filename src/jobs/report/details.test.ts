/** Folded text below a line of the comment: whole where it fits, shared fairly and cut where it does not. */
import { describe, expect, it } from '@jest/globals';
import type { ReportRow } from './desired.js';
import { COMMENT_LIMIT, renderComment } from './render.js';
import { rowsOf } from './sections.js';

const row = (component: string, text: string, url?: string): ReportRow => ({
  ...{ component, icon: '✅', status: 'Planned', links: [], updatedAt: new Date(0) },
  details: { summary: 'Plan', text, ...(url === undefined ? {} : { url }) },
});
const MARKER = '<!-- marker -->';

describe('the details of a line', () => {
  it('are folded away in a block that nothing in them can end', () => {
    const comment = renderComment(MARKER, [row('plan/a', '```\n</details> @ada #1\n````')], []);
    expect(comment).toContain(
      '<details><summary>Plan of plan/a</summary>\n\n`````\n```\n</details> @ada #1\n````\n`````',
    );
  });

  it('are cut where all together are too long, the long ones first, with a link to the whole', () => {
    const rows = [
      row('plan/long', 'x'.repeat(200_000), 'https://forgeway.example/runs/1'),
      row('plan/short', 'y'.repeat(500)),
      row('plan/longer', `${'z'.repeat(300_000)}`),
    ];
    const comment = renderComment(MARKER, rows, ['/plan']);
    expect(comment.length).toBeLessThanOrEqual(COMMENT_LIMIT);
    expect(comment.startsWith(MARKER)).toBe(true);
    expect(comment).toContain('y'.repeat(500));
    expect(comment).toContain('[The whole of it](https://forgeway.example/runs/1)');
    const length = (sign: string) => comment.split(sign).length - 1;
    expect(length('x')).toBeGreaterThan(20_000);
    expect(Math.abs(length('x') - length('z'))).toBeLessThan(100);
    expect(comment.match(/<details>/g)).toHaveLength(4);
    expect(comment.match(/<\/details>/g)).toHaveLength(4);
  });

  it('come out of the database as they went in, or not at all', () => {
    const stored: unknown = JSON.parse(
      JSON.stringify({ a: row('a', 'text', 'https://x.example/'), b: { component: 'b', details: { text: 7 } } }),
    );
    expect(rowsOf(stored).map(({ details }) => details)).toEqual([
      { summary: 'Plan', text: 'text', url: 'https://x.example/' },
      undefined,
    ]);
  });
});
