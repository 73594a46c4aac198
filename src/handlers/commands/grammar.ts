/** What counts as a command in a comment (decision 15): `/name args` at the start of a line, or `/fw name args`. */

export interface Invocation {
  /** In small letters. */
  name: string;
  /** What stands behind it on the same line, without spaces around it. */
  args: string;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const COMMAND = /^\/(?:fw[ \t]+\/?)?([a-z][a-z0-9-]{0,39})(?:[ \t]+(.*))?$/i;
/** More than anybody means; a comment is no program. */
const MOST = 10;

/** Comments of HTML are shown to nobody, so nobody may have seen the command in one. An unclosed one hides the rest. */
const withoutHidden = (body: string): string => body.replace(/<!--[\s\S]*?(?:-->|$)/g, '');

/** Fenced lines and what is quoted or indented as code are somebody's text, not a wish. */
export function commandsIn(body: string): Invocation[] {
  const found: Invocation[] = [];
  let fence: string | undefined;
  for (const line of withoutHidden(body).split(/\r\n|\r|\n/)) {
    const mark = FENCE.exec(line)?.[1];
    if (fence !== undefined) {
      const closes = mark?.startsWith(fence) === true && line.trim() === mark;
      if (closes) fence = undefined;
      continue;
    }
    if (mark !== undefined) {
      fence = mark;
      continue;
    }
    const [, name, args] = COMMAND.exec(line.trimEnd()) ?? [];
    if (name === undefined) continue;
    found.push({ name: name.toLowerCase(), args: (args ?? '').trim() });
    if (found.length === MOST) break;
  }
  return found;
}
