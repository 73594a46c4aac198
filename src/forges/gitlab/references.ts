/**
 * Numbers, paths, and the references to them in texts (decision 13).
 *
 * On GitLab merge requests and issues are counted apart (`!12` and `#12`) and groups are nested. Apps see one sequence and
 * one level: a merge request keeps its number, an issue gets {@link ISSUE_NUMBER_BASE} on top, and the group `a/b` is the
 * owner `a~b`. Texts are rewritten on their way in and back on their way out:
 *
 *     native   !12   #12           a/b/c!12     a/b/c#12
 *     GitHub   #12   #1000000012   a~b/c#12     a~b/c#1000000012
 *
 * This is a bijection over all texts. What looks like a reference on one side only (`!12` written by an app, or
 * `#1000000012` written by a person) carries an invisible word joiner after its sign on the other side, where it would be
 * taken for one: it stays what it is, plain text, and looks the same. A text that has word joiners there already gets one
 * more or one less. Code, HTML and addresses are left alone, see `prose.ts`.
 */
import { prose } from './prose.js';

/** Numbers above this are issues. */
export const ISSUE_NUMBER_BASE = 1_000_000_000;

/** U+2060: takes no room, breaks no line, and is no part of a word. */
const WORD_JOINER = '\u2060';

/** The number that apps see for the issue with this iid. */
export const issueNumber = (iid: number): number => ISSUE_NUMBER_BASE + iid;

/** What a number that apps use stands for. */
export function nativeNumber(number: number): { kind: 'issue' | 'merge_request'; iid: number } {
  return number > ISSUE_NUMBER_BASE
    ? { kind: 'issue', iid: number - ISSUE_NUMBER_BASE }
    : { kind: 'merge_request', iid: number };
}

/** Owner as apps see it: `a~b` of `a/b/c`. '' for a path of one segment. */
export const ownerOf = (pathWithNamespace: string): string =>
  pathWithNamespace.slice(0, Math.max(0, pathWithNamespace.lastIndexOf('/'))).replaceAll('/', '~');

/** Repository name as apps see it: `c` of `a/b/c`. */
export const nameOf = (pathWithNamespace: string): string =>
  pathWithNamespace.slice(pathWithNamespace.lastIndexOf('/') + 1);

/** The forge's path of a group: `a/b` of `a~b`. */
export const groupPath = (owner: string): string => owner.replaceAll('~', '/');

/** The forge's path of a project: `a/b/c` of `a~b` and `c`. */
export const projectPath = (owner: string, name: string): string => `${groupPath(owner)}/${name}`;

const SEGMENT = '[A-Za-z0-9_][A-Za-z0-9_.-]*';

/** A sign and a number: a reference where the right thing stands before it, of which many texts have few. */
const SIGNED_NUMBER = new RegExp(`([#!])(${WORD_JOINER}*)([1-9][0-9]*)(?![A-Za-z0-9_])`, 'g');
/**
 * The path that ends where a sign begins. The characters that may not stand before it, or before a sign without a path, are
 * the same on both sides, so that both find the same places. ASCII only on purpose: in Chinese no space stands before a
 * reference.
 */
const PATH_BEFORE = new RegExp(`(?<=(?<![A-Za-z0-9_./~@-])(${SEGMENT}(?:[/~]${SEGMENT})+))`, 'y');
const NOTHING_BEFORE = new RegExp(`(?<![A-Za-z0-9_/~@&#!${WORD_JOINER}])`, 'y');

/** Whether something that has no length matches exactly there. */
function matchAt(expression: RegExp, text: string, at: number): RegExpExecArray | null {
  expression.lastIndex = at;
  return expression.exec(text);
}

/** With joiners it is plain text on either side. */
interface Reference {
  path: string | undefined;
  sign: string;
  joiners: number;
  digits: string;
}

const isOrdinary = ({ digits }: Reference) => Number(digits) < ISSUE_NUMBER_BASE;
const isRaised = ({ digits }: Reference) =>
  Number(digits) > ISSUE_NUMBER_BASE && Number(digits) < 2 * ISSUE_NUMBER_BASE;

/** `a/b/c`. */
const isNativePath = (path: string | undefined) => path === undefined || !path.includes('~');
/** `a~b/c`. */
const isGitHubPath = (path: string | undefined) => path === undefined || /^[^/]+\/[^/~]+$/.test(path);

/** Whether it is a reference in native texts when no word joiner stands in it. */
const refersNatively = (found: Reference) => isNativePath(found.path) && isOrdinary(found);
/** The same in GitHub's texts. */
const refersOnGitHub = (found: Reference) =>
  isGitHubPath(found.path) && found.sign === '#' && (isOrdinary(found) || isRaised(found));

const write = ({ path, sign, joiners, digits }: Reference) =>
  `${path ?? ''}${sign}${WORD_JOINER.repeat(joiners)}${digits}`;

/** Plain text: one joiner more where the target would read a reference, one less where the source would have. */
function escaped(found: Reference, fromRefers: boolean, toRefers: boolean): string {
  return write({ ...found, joiners: found.joiners - Number(fromRefers) + Number(toRefers) });
}

function toGitHub(found: Reference): string {
  const refers = refersNatively(found);
  if (!refers || found.joiners > 0) return escaped(found, refers, refersOnGitHub(found));
  const path = found.path === undefined ? undefined : `${ownerOf(found.path)}/${nameOf(found.path)}`;
  const digits = found.sign === '#' ? String(issueNumber(Number(found.digits))) : found.digits;
  return write({ path, sign: '#', joiners: 0, digits });
}

function toNative(found: Reference): string {
  const refers = refersOnGitHub(found);
  if (!refers || found.joiners > 0) return escaped(found, refers, refersNatively(found));
  const { kind, iid } = nativeNumber(Number(found.digits));
  const path = found.path?.replaceAll('~', '/');
  return write({ path, sign: kind === 'issue' ? '#' : '!', joiners: 0, digits: String(iid) });
}

/** Found wherever a reference is. */
const SIGN = /[#!]\u2060*[1-9]/;

function rewriteProse(text: string, convert: (found: Reference) => string): string {
  let result = '';
  let done = 0;
  // `matchAll` would make the expression anew for every range of a text.
  SIGNED_NUMBER.lastIndex = 0;
  for (let match = SIGNED_NUMBER.exec(text); match !== null; match = SIGNED_NUMBER.exec(text)) {
    const { index, 0: signed, 1: sign = '', 2: joiners = '', 3: digits = '' } = match;
    let path = matchAt(PATH_BEFORE, text, index)?.[1];
    // What is the end of another reference is no path.
    if (path !== undefined && index - path.length < done) path = undefined;
    if (path === undefined && matchAt(NOTHING_BEFORE, text, index) === null) continue;
    result += text.slice(done, index - (path ?? '').length) + convert({ path, sign, joiners: joiners.length, digits });
    done = index + signed.length;
  }
  return result + text.slice(done);
}

function rewrite(text: string, convert: (found: Reference) => string): string {
  // Most texts and most of their paragraphs refer to nothing, and need not be read as Markdown to find out.
  if (!SIGN.test(text)) return text;
  let result = '';
  let done = 0;
  for (const { start, end } of prose(text, SIGN)) {
    const part = text.slice(start, end);
    if (!SIGN.test(part)) continue;
    result += text.slice(done, start) + rewriteProse(part, convert);
    done = end;
  }
  return result + text.slice(done);
}

/**
 * A native text (body, title, comment, commit message) as apps see it. Undone by {@link toNativeText}.
 *
 * @example toGitHubText('Closes #5, see group/sub/web!7') // 'Closes #1000000005, see group~sub/web#7'
 */
export const toGitHubText = (text: string): string => rewrite(text, toGitHub);

/**
 * An app's text as the forge gets it. Undone by {@link toGitHubText}.
 *
 * @example toNativeText('Closes #1000000005, see #7') // 'Closes #5, see !7'
 */
export const toNativeText = (text: string): string => rewrite(text, toNative);
