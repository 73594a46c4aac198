/** The sticky comment's text. Plain Markdown that GitHub, GitLab and Gitea show alike. */
import { shortSha } from '../../lib/ids.js';
import type { ReportRow } from './desired.js';
import { escapeSentence, escapeText, linkTarget } from './escape.js';

/** GitHub's limit. Counted in UTF-16 units, which are never fewer than its characters. */
export const COMMENT_LIMIT = 65_536;
const CUT_NOTE = '_The beginning was cut: the report is longer than a comment may be._';
/** Room for what stands around the text of details: fences, headings and a link. */
const DETAILS_FRAME = 2_500;
/** What reverses or hides text; in a block of code nothing else can. */
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Cf}]/gu;
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

/** A block of code that nothing in the text can end. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

const CUT_END = '… cut here';

function foldedDetails(details: NonNullable<ReportRow['details']>, component: string, limit: number): string {
  const plain = details.text.replace(HIDDEN, ' ');
  const fits = plain.length <= limit;
  const cut = fits ? plain : `${plain.slice(0, Math.max(0, limit)).replace(/[\uD800-\uDBFF]$/, '')}\n${CUT_END}`;
  const target = details.url === undefined ? undefined : linkTarget(details.url);
  const whole = fits || target === undefined ? '' : `\n\n[The whole of it](${target})`;
  return folded(`${escapeText(details.summary)} of ${escapeText(component)}`, `${fenced(cut)}${whole}`);
}

/** Each has the same share of what is left; what one does not need is there for the others. */
function allDetails(rows: readonly ReportRow[], room: number): string[] {
  const given = rows.flatMap(({ details, component }) => (details === undefined ? [] : [{ details, component }]));
  const shortestFirst = given.toSorted((a, b) => a.details.text.length - b.details.text.length);
  const shares = new Map<(typeof given)[number], number>();
  let left = room - given.length * DETAILS_FRAME;
  for (const [index, one] of shortestFirst.entries()) {
    const share = Math.max(0, Math.min(one.details.text.length, Math.floor(left / (given.length - index))));
    shares.set(one, share);
    left -= share;
  }
  return given.map((one) => foldedDetails(one.details, one.component, shares.get(one) ?? 0));
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
      parts.push(`**${escapeText(row.component)}**: ${escapeSentence(row.note)}`);
    if (row.hint !== undefined) parts.push(`_${escapeSentence(row.hint)}_`);
  }
  if (rows.length === 0) parts.push('Nothing to report any more.');
  if (skipped.length > 0) parts.push(folded(`${skipped.length} skipped`, table(skipped)));
  const commandList: string[] = [];
  if (commands.length > 0)
    commandList.push(folded('Commands', commands.map((command) => `\`${command.replace(/`/g, '')}\``).join(' · ')));

  const short = [...parts, ...commandList].join('\n\n').length + marker.length;
  const content = [...parts, ...allDetails(rows, COMMENT_LIMIT - short), ...commandList].join('\n\n');
  const whole = `${marker}\n\n${content}\n`;
  if (whole.length <= COMMENT_LIMIT) return whole;
  const head = `${marker}\n\n${CUT_NOTE}\n\n`;
  return `${head}${cutFromTop(content, COMMENT_LIMIT - head.length - 1)}\n`;
}
