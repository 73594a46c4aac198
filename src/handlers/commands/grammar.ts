/** What counts as a command in a comment (decision 15): `/name args` at the start of a line, or `/fw name args`. */

export interface Invocation {
  /** In small letters. */
  name: string;
  /** What stands behind it on the same line, without spaces around it. */
  args: string;
  /** The lines below it, up to the next command or the end: of a command that takes a text they belong to that. */
  below: string;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const COMMAND = /^\/(?:fw[ \t]+\/?)?([a-z][a-z0-9-]{0,39})(?:[ \t]+(.*))?$/i;
/** More than anybody means; a comment is no program. */
const MOST = 10;

/** Comments of HTML are shown to nobody, so nobody may have seen the command in one. An unclosed one hides the rest. */
const withoutHidden = (body: string): string => body.replace(/<!--[\s\S]*?(?:-->|$)/g, '');

/**
 * Fenced lines and what is quoted or indented as code are somebody's text, not a wish.
 * @param isKnown what is no command of ours is text, such as `/tmp is full` in an answer
 */
export function commandsIn(body: string, isKnown: (name: string) => boolean = () => true): Invocation[] {
  const found: { name: string; args: string; below: string[] }[] = [];
  let fence: string | undefined;
  for (const line of withoutHidden(body).split(/\r\n|\r|\n/)) {
    const mark = FENCE.exec(line)?.[1];
    const isText = fence !== undefined || mark !== undefined;
    if (fence !== undefined) {
      const closes = mark?.startsWith(fence) === true && line.trim() === mark;
      if (closes) fence = undefined;
    } else fence = mark;
    const [, name, args] = (isText ? null : COMMAND.exec(line.trimEnd())) ?? [];
    if (name === undefined || !isKnown(name.toLowerCase())) {
      found.at(-1)?.below.push(line);
      continue;
    }
    if (found.length === MOST) break;
    found.push({ name: name.toLowerCase(), args: (args ?? '').trim(), below: [] });
  }
  return found.map(({ below, ...one }) => ({ ...one, below: below.join('\n').trim() }));
}
