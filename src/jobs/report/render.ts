/** The sticky comment's text. Plain Markdown that GitHub, GitLab and Gitea show alike. */
import { shortSha } from '../../lib/ids.js';
import type { ReportRow } from './desired.js';
import { escapeText, linkTarget } from './escape.js';

/** GitHub's limit. Counted in UTF-16 units, which are never fewer than its characters. */
export const COMMENT_LIMIT = 65_536;
const CUT_NOTE = '_The beginning was cut: the report is longer than a comment may be._';
const TABLE_HEAD = '| Component | Status | Link | Commit | Updated (UTC) |\n|---|---|---|---|---|';

const time = new Intl.DateTimeFormat('en-US', {
  timeZone: 'UTC',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});

function tableRow(row: ReportRow): string {
  const links = row.links.flatMap(({ label, url }) => {
    const target = linkTarget(url);
    return target === undefined ? [] : [`[${escapeText(label)}](${target})`];
  });
  const sha = row.sha !== undefined && /^[0-9a-f]{7,64}$/.test(row.sha) ? `\`${shortSha(row.sha)}\`` : '–';
  const cells = [
    escapeText(row.component),
    `${escapeText(row.icon)} ${escapeText(row.status)}`.trim(),
    links.join(' · ') || '–',
    sha,
    time.format(row.updatedAt),
  ];
  return `| ${cells.join(' | ')} |`;
}

const table = (rows: readonly ReportRow[]) => [TABLE_HEAD, ...rows.map(tableRow)].join('\n');

const folded = (summary: string, content: string) =>
  `<details><summary>${summary}</summary>\n\n${content}\n\n</details>`;

/** Keeps the end, which is what is new in a log, from the start of a line. */
function cutFromTop(text: string, limit: number): string {
  const tail = text.slice(text.length - Math.max(0, limit));
  const line = tail.indexOf('\n');
  return line === -1 ? tail.replace(/^[\uDC00-\uDFFF]/, '') : tail.slice(line + 1);
}

/**
 * @param marker the hidden first line
 * @param commands what a person may write here, such as `/preview rebuild`; none: the section is left out
 */
export function renderComment(marker: string, rows: readonly ReportRow[], commands: readonly string[]): string {
  const shown = rows.filter((row) => row.skipped !== true);
  const skipped = rows.filter((row) => row.skipped === true);
  const parts: string[] = [];
  if (shown.length > 0) parts.push(table(shown));
  for (const row of rows) {
    if (row.note !== undefined && row.note.trim() !== '')
      // In bold, so that its first characters do not stand where Markdown looks for a heading or a list.
      parts.push(`**${escapeText(row.component)}**: ${escapeText(row.note)}`);
  }
  if (rows.length === 0) parts.push('Nothing to report any more.');
  if (skipped.length > 0) parts.push(folded(`${skipped.length} skipped`, table(skipped)));
  if (commands.length > 0)
    parts.push(folded('Commands', commands.map((command) => `\`${command.replace(/`/g, '')}\``).join(' · ')));

  const content = parts.join('\n\n');
  const whole = `${marker}\n\n${content}\n`;
  if (whole.length <= COMMENT_LIMIT) return whole;
  const head = `${marker}\n\n${CUT_NOTE}\n\n`;
  return `${head}${cutFromTop(content, COMMENT_LIMIT - head.length - 1)}\n`;
}
