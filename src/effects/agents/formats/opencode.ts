/** OpenCode: `opencode run --format json`, one event a line. */
import { z } from 'zod';
import { type AgentFormatDescription, asText } from './format.js';
import { answer, brief, byTable, nameByType, type Row, row, silent } from './table.js';

const EDITS = new Set(['edit', 'write', 'patch', 'multiedit']);
const count = z.number().min(0).default(0);

const table: Readonly<Record<string, Row>> = {
  step_start: silent,
  reasoning: silent,
  text: row(z.looseObject({ part: z.looseObject({ text: z.string() }) }), ({ part }) =>
    part.text.trim() === '' ? [] : [{ type: 'message', text: part.text }, ...answer(part.text)],
  ),
  tool_use: row(
    z.looseObject({
      part: z.looseObject({
        tool: z.string(),
        state: z.looseObject({
          status: z.string().optional(),
          input: z.looseObject({ filePath: z.string().optional() }).optional(),
          error: z.string().optional(),
        }),
      }),
    }),
    ({ part: { tool, state } }) => {
      const path = state.input?.filePath;
      const failed = state.error === undefined ? '' : ` (failed: ${brief(state.error, 200)})`;
      const use = { type: 'tool' as const, name: tool, summary: `${brief(state.input)}${failed}` };
      return EDITS.has(tool) && path !== undefined ? [use, { type: 'diff', summary: tool, paths: [path] }] : [use];
    },
  ),
  step_finish: row(
    z.looseObject({
      part: z.looseObject({
        reason: z.string().default(''),
        cost: z.number().min(0).optional(),
        tokens: z
          .looseObject({
            input: count,
            output: count,
            reasoning: count,
            cache: z.looseObject({ read: count, write: count }).optional(),
          })
          .optional(),
      }),
    }),
    ({ part: { reason, cost, tokens } }) => [
      {
        type: 'cost',
        inputTokens: (tokens?.input ?? 0) + (tokens?.cache?.read ?? 0) + (tokens?.cache?.write ?? 0),
        outputTokens: (tokens?.output ?? 0) + (tokens?.reasoning ?? 0),
        ...(cost !== undefined && { usd: cost }),
      },
      // It goes on after tools were called.
      ...(reason === 'tool-calls' ? [] : [{ type: 'done' as const, ok: reason === 'stop' || reason === '' }]),
    ],
  ),
  error: row(
    z.looseObject({
      error: z.looseObject({ name: z.string().optional(), data: z.looseObject({ message: z.string() }).optional() }),
    }),
    ({ error }) => [{ type: 'done', ok: false, summary: error.data?.message ?? error.name ?? 'error' }],
  ),
};

export const opencode: AgentFormatDescription = {
  program: 'OpenCode (opencode)',
  version: '1.18.33',
  source: 'https://github.com/anomalyco/opencode, packages/opencode/src/cli/cmd/run.ts, and its issue 29997',
  tried: true,
  input: 'whole',
  parse: byTable(table, nameByType),
  encode: asText,
};
