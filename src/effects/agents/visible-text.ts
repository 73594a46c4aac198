/**
 * What a person sees of a comment when the forge shows it. Agents read the source, where more can be written than is seen:
 * comments, attributes, descriptions of pictures, characters without a shape. All of that goes before an agent is given it.
 */

/** More than an agent is given of one piece. */
const LONGEST = 32 * 1024;
const LONGEST_TAG = 512;
/** Elements whose content no browser shows. */
const UNSEEN = new Set(['script', 'style', 'template', 'title', 'head', 'noscript', 'object', 'iframe', 'datalist']);
const VOID = new Set([
  'area',
  'base',
  'br',
  'col',
  'embed',
  'hr',
  'img',
  'input',
  'link',
  'meta',
  'source',
  'track',
  'wbr',
]);
const HIDDEN =
  /(?:^|[\s"'/])(?:hidden(?=$|[\s=/])|aria-hidden\s*=\s*["']?true|type\s*=\s*["']?hidden)|display\s*:\s*none|visibility\s*:\s*hidden|(?:font-size|opacity|width|height)\s*:\s*0(?![.\d]*[1-9])/i;

/** Formatting and tag characters, and the selectors of variants beyond those that emoji need. */
const SHAPELESS = /\p{Cf}|[\u115f\u1160\u3164\uffa0]|\u034f|[\u17b4\u17b5]|[\u{e0000}-\u{e0fff}]|[\ufe00-\ufe0e]/gu;
const CONTROLS = /(?![\n\t])\p{Cc}/gu;

interface Tag {
  name: string;
  isEnd: boolean;
  attributes: string;
  /** Offset after it. */
  end: number;
}

/** The tag that begins at `at`, where there is a `<`. */
function tagAt(text: string, at: number): Tag | undefined {
  const [, slash, name] = /^<(\/?)([a-zA-Z][a-zA-Z0-9-]*)/.exec(text.slice(at, at + 64)) ?? [];
  if (name === undefined) return undefined;
  const from = at + 1 + (slash?.length ?? 0) + name.length;
  let quote = '';
  for (let next = from; next < Math.min(text.length, from + LONGEST_TAG); next += 1) {
    const sign = text[next] ?? '';
    if (quote !== '') {
      if (sign === quote) quote = '';
    } else if (sign === '"' || sign === "'") quote = sign;
    else if (sign === '>')
      return { name: name.toLowerCase(), isEnd: slash === '/', attributes: text.slice(from, next), end: next + 1 };
  }
  return undefined;
}

/** Offset after what HTML takes for a comment or a declaration at `at`; undefined when there is none. */
function unseenEnd(text: string, at: number): number | undefined {
  const [begin, close] =
    [
      ['<!--', '-->'],
      ['<![CDATA[', ']]>'],
      ['<?', '?>'],
      ['<!', '>'],
    ].find(([start = '']) => text.startsWith(start, at)) ?? [];
  // Only a letter begins a declaration.
  if (begin === '<!' && !/[a-zA-Z]/.test(text[at + 2] ?? '')) return undefined;
  if (begin === undefined || close === undefined) return undefined;
  // `<!-->` and `<!--->` are whole comments.
  const short = begin === '<!--' ? /^<!--(-?)>/.exec(text.slice(at, at + 6)) : null;
  if (short !== null) return at + short[0].length;
  const end = text.indexOf(close, at + begin.length);
  return end === -1 ? text.length : end + close.length;
}

function withoutMarkup(text: string): string {
  let result = '';
  let skip: { name: string; depth: number } | undefined;
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('<', at);
    const until = next === -1 ? text.length : next;
    if (skip === undefined) result += text.slice(at, until);
    if (next === -1) return result;
    const unseen = unseenEnd(text, next);
    if (unseen !== undefined) {
      at = unseen;
      continue;
    }
    const tag = tagAt(text, next);
    if (tag === undefined) {
      if (skip === undefined) result += '<';
      at = next + 1;
      continue;
    }
    at = tag.end;
    if (skip !== undefined) {
      if (tag.name === skip.name) skip.depth += tag.isEnd ? -1 : 1;
      if (skip.depth === 0) skip = undefined;
      continue;
    }
    const isHidden = !tag.isEnd && (UNSEEN.has(tag.name) || HIDDEN.test(tag.attributes));
    if (isHidden && !VOID.has(tag.name) && !tag.attributes.endsWith('/')) skip = { name: tag.name, depth: 1 };
    // The element is kept for what it means, without what nobody sees of it.
    else if (!isHidden)
      result +=
        VOID.has(tag.name) && tag.name !== 'br' && tag.name !== 'hr' ? '' : `<${tag.isEnd ? '/' : ''}${tag.name}>`;
  }
  return result;
}

/** Descriptions of pictures and titles of links; definitions that are written to be read by nobody. */
const withoutAsides = (text: string): string =>
  text
    .replace(/!\[[^\]\n]{0,500}\](?=[([])/g, '![picture]')
    .replace(/(\]\([^\s()"']{0,500})\s{1,8}(?:"[^"\n]{0,500}"|'[^'\n]{0,500}'|\([^)\n]{0,500}\))\s{0,8}\)/g, '$1)')
    .replace(/^ {0,3}\[[^\]\n]{1,999}\]:[^\n]*$/gm, '');

/** Lines ended one way, and nothing without a shape: for what is shown as it is written, such as a difference. */
export const shapedText = (text: string): string =>
  text.toWellFormed().replaceAll('\r\n', '\n').replaceAll('\r', '\n').replace(SHAPELESS, '').replace(CONTROLS, '');

/** A piece of Markdown as a person sees it. Never throws; linear in the length, which is bounded. */
export function visibleText(markdown: string): string {
  const isCut = markdown.length > LONGEST;
  let text = shapedText(markdown.slice(0, LONGEST));
  // What is taken out can leave something together that is taken out again.
  for (let round = 0; round < 4; round += 1) {
    const next = withoutAsides(withoutMarkup(text));
    if (next === text) break;
    text = next;
  }
  text = text
    .replace(/[ \t]{40,}/g, ' ')
    .replace(/\n{4,}/g, '\n\n\n')
    .trim();
  return isCut ? `${text}\n[the rest is left out]` : text;
}
