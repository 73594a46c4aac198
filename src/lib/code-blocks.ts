/**
 * Blocks of code in Markdown, as far as every reader of it takes the same lines for code: forges show what stands in them as it is
 * written, and neither call anybody nor refer to anything there. Where readers may differ there is no answer: what is prose to one of
 * them must not be let through as code, since somebody may have written it to be just that.
 */

export interface MarkdownPart {
  isCode: boolean;
  /** Whole lines, those with the fences included. */
  text: string;
}

/** From the first column on; of backticks what is said behind them has none, and of tildes neither. */
const OPENS = /^(`{3,}|~{3,})[^`~\n]*$/;
/** Within a block: it ends it for some, and begins another for others. */
const MAYBE_FENCE: Readonly<Record<string, RegExp>> = { '`': /^[ \t]*(`{3,})/, '~': /^[ \t]*(~{3,})/ };
/** The fence that everybody knows. */
const PLAIN = '```';
/** Of several lines, which some look for before they look for code, and find in code that has another fence than the plain one. */
const QUOTATION = '>>>';
/** Line ends and controls that are no more than characters to some. */
const ODD = /(?![\n\t])\p{Cc}|[\u2028\u2029]/u;
/** One line's code between single signs, which is no cell of a table. */
const INLINE = /`[^`\n|]+`/g;
/**
 * What may have the lines after it read in another way: further or escaped signs of code, HTML, formulas, quotations of several lines,
 * inclusions. `#` may become `!` on its way to a forge.
 */
const RISKY = /`|~~~|<[A-Za-z/!?#]|\$\$|^[ \t]*(?:<|\\\[|>>>|:::?)/m;
/** At the beginning of all: settings, which are no Markdown. */
const FRONT_MATTER = /^\s*(?:---|\+\+\+|;;;)/;

const isSafe = (prose: string): boolean => !/``|\\`/.test(prose) && !RISKY.test(prose.replace(INLINE, ''));

/** Whether a line of a block may be its end to somebody, although it is not the line that it began with. */
function mayEnd(line: string, fence: string): boolean {
  const [, run = ''] = MAYBE_FENCE[fence.charAt(0)]?.exec(line) ?? [];
  return run.length >= fence.length || (fence !== PLAIN && line.startsWith(QUOTATION));
}

/**
 * Prose and code in turn, which are the whole text when they are joined; undefined where it is not certain which is which.
 * @param fences `plain` for readers that know blocks between lines of three backticks alone: with any other, nothing is certain
 */
export function markdownParts(text: string, fences: 'any' | 'plain' = 'any'): MarkdownPart[] | undefined {
  if (ODD.test(text) || FRONT_MATTER.test(text)) return undefined;
  const parts: MarkdownPart[] = [];
  const add = (line: string, isCode: boolean, isNew: boolean) => {
    const last = parts.at(-1);
    if (last === undefined || isNew || last.isCode !== isCode) parts.push({ isCode, text: line });
    else last.text += line;
  };
  let fence: string | undefined;
  let isEmpty = false;
  for (const line of text.split(/(?<=\n)/)) {
    const bare = line.replace(/\n$/, '');
    if (fence !== undefined) {
      add(line, true, false);
      if (bare !== fence && mayEnd(bare, fence)) return undefined;
      // One without any line: some look for its end behind it.
      if (bare === fence && isEmpty) return undefined;
      isEmpty = false;
      if (bare === fence) fence = undefined;
    } else {
      fence = OPENS.exec(bare)?.[1];
      if (fences === 'plain' && fence !== undefined && fence !== PLAIN) return undefined;
      isEmpty = fence !== undefined;
      add(line, isEmpty, isEmpty);
    }
  }
  if (fence !== undefined || parts.some((part) => !part.isCode && !isSafe(part.text))) return undefined;
  return parts;
}

const SUGGESTION = /^([^\S\n]*(?:[>*+-][^\S\n]+|\d{1,9}[.)][^\S\n]+)*(?:`{3,}|~{3,})[^\S\n]*)suggestion[^\n]*$/gim;

/**
 * The text with what is not certain to be code, to readers that know the plain fence alone, written otherwise. `change` is given whole
 * lines, and the answer is made of as many.
 */
export function changeProse(text: string, change: (prose: string) => string): string {
  const parts = markdownParts(text, 'plain');
  return parts === undefined ? change(text) : parts.map((one) => (one.isCode ? one.text : change(one.text))).join('');
}

/** The text with code that is shown and cannot be applied by a click: for one of which not every character is as it was meant. */
export const withoutSuggestions = (text: string): string => text.replace(SUGGESTION, '$1');
