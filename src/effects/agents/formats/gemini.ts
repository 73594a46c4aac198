/** Gemini CLI: `gemini --output-format stream-json`, one event a line. */
import { z } from 'zod';
import { type AgentFormatDescription, asText } from './format.js';
import { answer, brief, byTable, nameByType, type Row, row, silent } from './table.js';

const failure = z.looseObject({ message: z.string() }).optional();

const table: Readonly<Record<string, Row>> = {
  init: silent,
  message: row(z.looseObject({ role: z.string(), content: z.string() }), ({ role, content }) =>
    // What it was told comes back too.
    role !== 'assistant' || content.trim() === '' ? [] : [{ type: 'message', text: content }, ...answer(content)],
  ),
  tool_use: row(z.looseObject({ tool_name: z.string(), parameters: z.unknown() }), ({ tool_name, parameters }) => [
    { type: 'tool', name: tool_name, summary: brief(parameters) },
  ]),
  tool_result: row(z.looseObject({ status: z.string(), error: failure }), ({ status, error }) =>
    status === 'success' ? [] : [{ type: 'message', text: `A tool failed: ${error?.message ?? status}` }],
  ),
  error: row(z.looseObject({ severity: z.string().default('error'), message: z.string() }), (event) => [
    { type: 'message', text: `${event.severity}: ${event.message}` },
  ]),
  result: row(
    z.looseObject({
      status: z.string(),
      error: failure,
      stats: z.looseObject({ input_tokens: z.number().min(0), output_tokens: z.number().min(0) }).optional(),
    }),
    ({ status, error, stats }) => [
      ...(stats === undefined
        ? []
        : [{ type: 'cost' as const, inputTokens: stats.input_tokens, outputTokens: stats.output_tokens }]),
      { type: 'done', ok: status === 'success', summary: error?.message ?? '' },
    ],
  ),
};

export const gemini: AgentFormatDescription = {
  program: 'Gemini CLI (gemini)',
  version: '0.61.0',
  source: 'https://github.com/google-gemini/gemini-cli/blob/main/packages/core/src/output/types.ts',
  tried: true,
  input: 'whole',
  parse: byTable(table, nameByType),
  encode: asText,
};
