/** Gives every `await` of a module a place where its process can be made to die. */
import ts from 'typescript';

/** What the transformed module calls with each value that it awaits; `register.mjs` puts it there. */
export const POINT = '__chaosAwait';

export interface Numbered {
  source: string;
  /** Awaits in the text; how many a run passes through is counted while it runs. */
  awaits: number;
}

/** `source` is JavaScript. Line numbers stay as they are. `for await` has no operand to stand in, and is left alone. */
export function numberAwaits(source: string): Numbered {
  const file = ts.createSourceFile('module.js', source, ts.ScriptTarget.Latest, false, ts.ScriptKind.JS);
  const inserts: { at: number; text: string }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isAwaitExpression(node)) {
      const { expression } = node;
      inserts.push({ at: expression.getStart(file), text: `${POINT}(` }, { at: expression.end, text: ')' });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  const awaits = inserts.length / 2;
  let text = source;
  // From the end, so that the places before it stay where they are; a closing one before an opening one at one place.
  for (const { at, text: piece } of inserts.toSorted((a, b) => b.at - a.at))
    text = text.slice(0, at) + piece + text.slice(at);
  return { source: text, awaits };
}
