/**
 * Aider: `aider --message-file … --yes-always --no-pretty --no-stream`. It prints no JSON, only lines for people, of which
 * some are known by their beginning; the others are its answer.
 */
import type { AgentEvent } from '../protocol.js';
import { agentLine, rawEvent } from '../protocol.js';
import { type AgentFormatDescription, asText, QUESTION_MARK } from './format.js';
import type { Said } from './table.js';

const thousands = (text: string): number => {
  const [, digits = '0', unit = ''] = /^([\d.,]+)([kM]?)/.exec(text) ?? [];
  return Math.round(Number(digits.replaceAll(',', '')) * (unit === 'k' ? 1_000 : unit === 'M' ? 1_000_000 : 1));
};

/** By the beginning of a line; the first that matches. */
const rows: readonly { pattern: RegExp; say: (match: RegExpExecArray) => Said[] }[] = [
  {
    pattern: /^Applied edit to (\S.{0,500})$/,
    say: ([, path = '']) => [{ type: 'diff', summary: 'applied an edit', paths: [path] }],
  },
  {
    pattern: /^Tokens: ([\d.,]+[kM]?) sent,.{0,100}? ([\d.,]+[kM]?) received\.?(?: Cost: \$([\d.]+) message)?/,
    say: ([, sent = '', received = '', usd]) => [
      {
        type: 'cost',
        inputTokens: thousands(sent),
        outputTokens: thousands(received),
        ...(usd !== undefined && { usd: Number(usd) }),
      },
    ],
  },
  {
    pattern: /^Commit ([0-9a-f]{7,40}) (.{0,500})$/,
    say: ([, , title = '']) => [{ type: 'tool', name: 'commit', summary: title }],
  },
  {
    pattern: /^> (?:Running|Run) (.{1,500})$/,
    say: ([, command = '']) => [{ type: 'tool', name: 'command', summary: command }],
  },
  { pattern: new RegExp(`^${QUESTION_MARK}\\s*(.{1,4000})$`), say: ([, text = '']) => [{ type: 'question', text }] },
  // What it prints when it begins.
  {
    pattern: /^(?:Aider v|Main model:|Model:|Weak model:|Git repo:|Repo-map:|Added .{1,300} to the chat\.?$|-{3,}$)/,
    say: () => [],
  },
];

function parse(line: string): AgentEvent[] {
  const plain = line.trimEnd();
  for (const { pattern, say } of rows) {
    const match = pattern.exec(plain);
    if (match === null) continue;
    return say(match).map((one) => agentLine.safeParse(one).data ?? rawEvent(line, 'malformed'));
  }
  return [rawEvent(line, 'not-json')];
}

export const aider: AgentFormatDescription = {
  program: 'Aider (aider)',
  version: '0.86',
  source: 'https://aider.chat/docs/scripting.html; the lines are those of its terminal output',
  tried: false,
  input: 'whole',
  speaksText: true,
  parse,
  encode: asText,
};
