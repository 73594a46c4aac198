/** Codex: `codex exec --json`, one event a line. */
import { z } from 'zod';
import { type AgentFormatDescription, asText } from './format.js';
import { answer, brief, byTable, nameByType, type Row, row, type Said, silent } from './table.js';

const item = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  command: z.string().optional(),
  exit_code: z.number().nullish(),
  changes: z.array(z.looseObject({ path: z.string(), kind: z.string().optional() })).optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  arguments: z.unknown().optional(),
  query: z.string().optional(),
  message: z.string().optional(),
  items: z.array(z.looseObject({ text: z.string(), completed: z.boolean().default(false) })).optional(),
});
type Item = z.output<typeof item>;

/** By the kind of item; each is told once, when it is complete. */
const items: Readonly<Record<string, (item: Item) => Said[]>> = {
  agent_message: ({ text = '' }) => [{ type: 'message', text }, ...answer(text)],
  plan: ({ text = '' }) => [{ type: 'message', text }],
  reasoning: () => [],
  command_execution: ({ command = '', exit_code }) => [
    { type: 'tool', name: 'command', summary: `${brief(command)}${exit_code ? ` (exit ${exit_code})` : ''}` },
  ],
  file_change: ({ changes = [] }) => [
    {
      type: 'diff',
      summary: changes.map(({ kind, path }) => `${kind ?? 'change'} ${path}`).join('\n'),
      paths: changes.slice(0, 200).map(({ path }) => path),
    },
  ],
  mcp_tool_call: ({ server = '', tool = '', arguments: given }) => [
    { type: 'tool', name: `${server}/${tool}`, summary: brief(given) },
  ],
  collab_tool_call: ({ tool = '' }) => [{ type: 'tool', name: `agent/${tool}` }],
  web_search: ({ query = '' }) => [{ type: 'tool', name: 'web search', summary: brief(query) }],
  todo_list: ({ items: todo = [] }) => [
    { type: 'message', text: todo.map(({ text, completed }) => `- [${completed ? 'x' : ' '}] ${text}`).join('\n') },
  ],
  error: ({ message = '' }) => [{ type: 'message', text: `Error: ${message}` }],
};

const table: Readonly<Record<string, Row>> = {
  'thread.started': silent,
  'turn.started': silent,
  'item.started': silent,
  'item.updated': silent,
  'item.plan.delta': silent,
  'item.completed': (event) => {
    const parsed = z.looseObject({ item }).safeParse(event);
    if (!parsed.success) return undefined;
    const { item: one } = parsed.data;
    return Object.hasOwn(items, one.type) ? items[one.type]?.(one) : undefined;
  },
  request_user_input: row(
    z.looseObject({ questions: z.array(z.looseObject({ question: z.string() })).min(1) }),
    ({ questions }) => [{ type: 'question', text: questions.map(({ question }) => question).join('\n') }],
  ),
  'turn.completed': row(
    z.looseObject({
      usage: z.looseObject({ input_tokens: z.number().min(0), output_tokens: z.number().min(0) }),
    }),
    ({ usage }) => [
      // Of the whole thread, also of the turns before `resume`.
      { type: 'cost', inputTokens: usage.input_tokens, outputTokens: usage.output_tokens, total: true },
      { type: 'done', ok: true },
    ],
  ),
  'turn.failed': row(z.looseObject({ error: z.looseObject({ message: z.string() }) }), ({ error }) => [
    { type: 'done', ok: false, summary: error.message },
  ]),
  error: row(z.looseObject({ message: z.string() }), ({ message }) => [{ type: 'message', text: `Error: ${message}` }]),
};

export const codex: AgentFormatDescription = {
  program: 'Codex CLI (codex)',
  version: '0.171.0',
  source: 'https://github.com/openai/codex/blob/main/codex-rs/exec/src/exec_events.rs',
  tried: true,
  input: 'whole',
  parse: byTable(table, nameByType),
  encode: asText,
};
