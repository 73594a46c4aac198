/**
 * Which parts of a Markdown text are prose. What is not prose (code, HTML, addresses) is shown as it stands by both
 * forges, so that references in it are no references.
 *
 * The answer depends on no character that the rewriting of a reference changes; `references.ts` relies on it.
 */

/** Half-open range of UTF-16 units. */
interface TextRange {
  start: number;
  end: number;
}

const FENCE = /^[ \t]*(`{3,}|~{3,})(.*)$/;
const LIST_MARKS = '-*+0123456789';
const LIST_ITEM = /^[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)/;
const QUOTE_MARKS = /^(?:[ \t]{0,3}>[ \t]?)+/;
const INDENTED = /^(?: {4}| {0,3}\t)/;
/** HTML that hides everything up to its end, blank lines included. */
const RAW_HTML: readonly { start: RegExp; end: RegExp }[] = [
  { start: /^ {0,3}<!--/, end: /-->/ },
  { start: /^ {0,3}<(?:pre|script|style|textarea)(?:[\s>]|$)/i, end: /<\/(?:pre|script|style|textarea)>/i },
];

interface Fence {
  mark: string;
  length: number;
  quoteDepth: number;
}

/** Where the reader of lines stands. */
interface BlockState {
  fence: Fence | undefined;
  rawEnd: RegExp | undefined;
  /** Inside a list, deep indentation is a paragraph of an item and not code. */
  inList: boolean;
  afterBlank: boolean;
  inIndentedCode: boolean;
}

/** By it most lines are told to begin nothing special. '' of a blank line. */
const firstCharacter = (line: string): string => line.trimStart().charAt(0);

function openedFence(line: string, quoteDepth: number): Fence | undefined {
  const [, marks = '', info = ''] = FENCE.exec(line) ?? [];
  if (marks === '' || (marks.startsWith('`') && info.includes('`'))) return undefined;
  return { mark: marks.charAt(0), length: marks.length, quoteDepth };
}

function closes(fence: Fence, line: string): boolean {
  const [, marks = '', info = ''] = FENCE.exec(line) ?? [];
  return marks.startsWith(fence.mark) && marks.length >= fence.length && info.trim() === '';
}

/** What no line of ASCII that is anything but plain text begins with: neither blank, nor a mark of Markdown's or HTML's. */
const PLAIN_START = /[!-~]/;
const MARKS = `${LIST_MARKS}\`~<>`;
const beginsPlain = Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  return PLAIN_START.test(character) && !MARKS.includes(character);
});

/** Reads a line that begins with a plain character outside of code and HTML, as nearly all do, by that alone. */
function readPlainLine(state: BlockState): void {
  if (state.inList && state.afterBlank) state.inList = false;
  state.afterBlank = false;
  state.inIndentedCode = false;
}

/** Reads one line; true when it is code or raw HTML as a whole. */
function isCodeLine(state: BlockState, whole: string): boolean {
  const outer = firstCharacter(whole);
  const quote = outer === '>' ? (QUOTE_MARKS.exec(whole)?.[0] ?? '') : '';
  const quoteDepth = quote === '' ? 0 : quote.split('>').length - 1;
  const line = whole.slice(quote.length);
  const first = quote === '' ? outer : firstCharacter(line);
  if (state.fence !== undefined && quoteDepth < state.fence.quoteDepth) state.fence = undefined;
  if (state.fence !== undefined) {
    if (closes(state.fence, line)) state.fence = undefined;
    return true;
  }
  if (state.rawEnd !== undefined) {
    if (state.rawEnd.test(line)) state.rawEnd = undefined;
    return true;
  }
  if (first === '') {
    state.afterBlank = true;
    return false;
  }
  const indented = !state.inList && (state.afterBlank || state.inIndentedCode) && INDENTED.test(line);
  const afterBlank = state.afterBlank;
  state.afterBlank = false;
  state.inIndentedCode = indented;
  if (indented) return true;
  state.fence = first === '`' || first === '~' ? openedFence(line, quoteDepth) : undefined;
  if (state.fence !== undefined) return true;
  const raw = first === '<' ? RAW_HTML.find(({ start }) => start.test(line)) : undefined;
  if (raw !== undefined) {
    if (!raw.end.test(line)) state.rawEnd = raw.end;
    return true;
  }
  if (LIST_MARKS.includes(first) && LIST_ITEM.test(line)) state.inList = true;
  else if (state.inList && afterBlank && !/^[ \t]{2}/.test(line)) state.inList = false;
  return false;
}

/** Paragraphs and the like: runs of lines that are no code, ended by a blank line, across which no code span goes. */
function* blocks(text: string): Generator<TextRange> {
  const state: BlockState = {
    fence: undefined,
    rawEnd: undefined,
    inList: false,
    afterBlank: true,
    inIndentedCode: false,
  };
  let start = 0;
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? text.length : newline + 1;
    if (beginsPlain[text.charCodeAt(at)] && state.fence === undefined && state.rawEnd === undefined) {
      readPlainLine(state);
      at = end;
      continue;
    }
    const line = newline === -1 ? text.slice(at) : text.slice(at, text[newline - 1] === '\r' ? newline - 1 : newline);
    if (isCodeLine(state, line) || line.trim() === '') {
      if (start < at) yield { start, end: at };
      start = end;
    }
    at = end;
  }
  if (start < text.length) yield { start, end: text.length };
}

/**
 * What begins something that is no prose: an escaped character, a run of backticks, an HTML comment, element or tag, an
 * address (from what follows its scheme, which refers to nothing), the target of a link, the definition of a link. Each
 * begins with a character that is rare, and looks back from there: the other way round every word would be tried.
 */
const OPENER =
  /\\[^\n]|`+|<!--|<code>[^<]*<\/code>|<[A-Za-z/][^<>]*>|:\/\/(?<=(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*:\/\/)[^\s<>"'`)\]]*|www\.(?<![A-Za-z0-9+.-]www\.)[^\s<>"'`)\]]*|\]\([^\s()<>`]*|\[(?<=^ {0,3}\[)[^\]\n`]+\]:[ \t]*[^\s`]+/gm;

/** Finds the ends of code spans; remembers what nothing closes, so that hostile texts cost no more than others. */
function spanFinder(content: string): (start: number) => number | undefined {
  const runs: { start: number; length: number }[] = [];
  for (let at = content.indexOf('`'); at !== -1; at = content.indexOf('`', at)) {
    const start = at;
    while (content[at] === '`') at += 1;
    runs.push({ start, length: at - start });
  }
  const unclosed = new Set<number>();
  let next = 0;
  return (start) => {
    while ((runs[next]?.start ?? start) < start) next += 1;
    const length = runs[next]?.length ?? 0;
    if (unclosed.has(length)) return undefined;
    for (let at = next + 1; at < runs.length; at += 1) {
      const run = runs[at];
      if (run?.length === length) return run.start + length;
    }
    unclosed.add(length);
    return undefined;
  };
}

function* proseOfBlock(text: string, block: TextRange): Generator<TextRange> {
  const content = text.slice(block.start, block.end);
  let endOfSpan: ReturnType<typeof spanFinder> | undefined;
  let start = 0;
  for (let at = 0; ; ) {
    // Set each time: others read texts between two ranges of this one.
    OPENER.lastIndex = at;
    const found = OPENER.exec(content);
    if (found === null) break;
    const what = found[0];
    at = found.index + what.length;
    let end: number | undefined = at;
    if (what.startsWith('`')) {
      endOfSpan ??= spanFinder(content);
      end = endOfSpan(found.index);
    } else if (what === '<!--') {
      const close = content.indexOf('-->', end);
      end = close === -1 ? content.length : close + 3;
    }
    // A run of backticks that nothing closes is text.
    if (end === undefined) continue;
    if (start < found.index) yield { start: block.start + start, end: block.start + found.index };
    start = end;
    at = end;
  }
  if (start < content.length) yield { start: block.start + start, end: block.end };
}

/** The ranges of `text` that are prose, in order, of those paragraphs in which `sought` stands. It has no flags. */
export function* prose(text: string, sought: RegExp): Generator<TextRange> {
  for (const block of blocks(text))
    if (sought.test(text.slice(block.start, block.end))) yield* proseOfBlock(text, block);
}
