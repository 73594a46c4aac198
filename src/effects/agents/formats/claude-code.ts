/** Claude Code: `claude -p --output-format stream-json --verbose`, one object a line. */
import { z } from 'zod';
import { type AgentFormatDescription, asText } from './format.js';
import { answer, brief, byTable, nameByType, type Row, row, type Said, silent } from './table.js';

const count = z.number().min(0).default(0);
const usage = z.looseObject({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
});

const block = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  name: z.string().optional(),
  input: z.unknown().optional(),
});

const EDITS = new Set(['Edit', 'Write', 'MultiEdit', 'NotebookEdit']);
const edited = z.looseObject({ file_path: z.string().optional(), notebook_path: z.string().optional() });

function saidBy({ type, text, name, input }: z.output<typeof block>): Said[] {
  if (type === 'text' && text !== undefined) return text.trim() === '' ? [] : [{ type: 'message', text }];
  if (type !== 'tool_use' || name === undefined) return [];
  const file = edited.safeParse(input).data;
  const path = file?.file_path ?? file?.notebook_path;
  const use: Said = { type: 'tool', name, summary: brief(input) };
  return EDITS.has(name) && path !== undefined ? [use, { type: 'diff', summary: name, paths: [path] }] : [use];
}

/**
 * Of one turn. `total_cost_usd` is what all turns of a session have cost since `--continue` remembers it; versions that do so say
 * beside it what this one has, by model. Tokens are those of the turn in both.
 */
function usdOf(since: Readonly<Record<string, { costUSD: number }>> | undefined, total: number | undefined) {
  const usd = since === undefined ? total : Object.values(since).reduce((sum, { costUSD }) => sum + costUSD, 0);
  return usd === undefined ? {} : { usd };
}

const table: Readonly<Record<string, Row>> = {
  system: silent,
  // What tools answered comes back as a message of the user's.
  user: silent,
  stream_event: silent,
  rate_limit_event: silent,
  tool_progress: silent,
  assistant: row(z.looseObject({ message: z.looseObject({ content: z.array(block) }) }), ({ message }) =>
    message.content.flatMap(saidBy),
  ),
  result: row(
    z.looseObject({
      subtype: z.string(),
      is_error: z.boolean().default(false),
      result: z.string().optional(),
      total_cost_usd: z.number().min(0).optional(),
      usage: usage.optional(),
      model_usage_since_last_result: z.record(z.string(), z.looseObject({ costUSD: count })).optional(),
    }),
    ({ subtype, is_error, result = '', total_cost_usd, usage: used, model_usage_since_last_result: since }) => [
      {
        type: 'cost',
        inputTokens:
          (used?.input_tokens ?? 0) + (used?.cache_creation_input_tokens ?? 0) + (used?.cache_read_input_tokens ?? 0),
        outputTokens: used?.output_tokens ?? 0,
        ...usdOf(since, total_cost_usd),
      },
      ...answer(result),
      { type: 'done', ok: subtype === 'success' && !is_error, summary: result || subtype },
    ],
  ),
};

export const claudeCode: AgentFormatDescription = {
  program: 'Claude Code (claude)',
  version: '2.1.332',
  source: 'https://code.claude.com/docs/en/headless and the message types of the Claude Agent SDK reference',
  tried: true,
  input: 'whole',
  parse: byTable(table, nameByType),
  encode: asText,
};
