/**
 * The line protocol: what an agent says and what it is told, as lines of JSON. Documented in docs/agent-protocol.md. All of
 * it is untrusted text; what leaves here is short, plain and redacted, and what is no such line is shown as it is.
 */
import { z } from 'zod';
import { redactText } from '../../lib/redact.js';
import { plainText } from '../process/captured-log.js';

/** Bytes of one line; the rest of a longer one is dropped and said so. */
export const MOST_LINE_BYTES = 256 * 1024;
const MOST_TEXT = 32 * 1024;
export const MOST_RAW = 4 * 1024;

/** Without terminal controls, direction marks and secrets, and cut. */
export function shown(text: string, most = MOST_TEXT): string {
  // Cut first: neither of the others may be given more than it can look through in a moment.
  const cut = text.length > most ? `${text.slice(0, most)}… [cut]` : text;
  return redactText(plainText(cut.replaceAll('\r\n', '\n').replaceAll('\r', '\n')).toWellFormed());
}

const text = z.string().transform((value) => shown(value));
const label = z.string().transform((value) => shown(value, 200).replaceAll('\n', ' '));
const count = z.number().finite().min(0).max(1e12);

const MOST_USD = 1e9;

/** `usd` in US dollars. Either total so far or of one step, as `total` says; nothing is believed for billing. */
const cost = z.object({
  type: z.literal('cost'),
  inputTokens: count.default(0),
  outputTokens: count.default(0),
  usd: z.number().finite().min(0).max(MOST_USD).optional(),
  total: z.boolean().default(false),
});

/** Begins with what every line has. Keys that are not named are left out. */
export const agentLine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message'), text }),
  z.object({ type: z.literal('tool'), name: label, summary: text.default('') }),
  z.object({ type: z.literal('question'), text, options: z.array(label).max(10).default([]) }),
  z.object({ type: z.literal('diff'), summary: text.default(''), paths: z.array(label).max(200).default([]) }),
  cost,
  z.object({
    type: z.literal('done'),
    ok: z.boolean().default(true),
    title: label.default(''),
    summary: text.default(''),
  }),
]);
export type AgentLine = z.output<typeof agentLine>;

/** What a person is shown of a session. `raw`: a line that was not understood; `reason` says why. */
export type AgentEvent =
  | AgentLine
  | { type: 'raw'; text: string; reason: 'not-json' | 'unknown' | 'malformed' | 'long' };

export const rawEvent = (line: string, reason: Extract<AgentEvent, { type: 'raw' }>['reason']): AgentEvent => ({
  type: 'raw',
  text: shown(line, MOST_RAW),
  reason,
});

/** An object of JSON, or undefined. */
export function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.trimStart().startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** One line of our own protocol. Never throws. */
export function parseLine(line: string): AgentEvent {
  const value = parseObject(line);
  if (value === undefined) return rawEvent(line, 'not-json');
  const parsed = agentLine.safeParse(value);
  if (parsed.success) return parsed.data;
  const isKnown = agentLine.options.some((option) => option.shape.type.value === value.type);
  return rawEvent(line, isKnown ? 'malformed' : 'unknown');
}

/** What an agent is told, a line each. */
export type AgentInput =
  | { type: 'task'; text: string; taskFile: string; repository: string; branch: string; sha: string }
  | { type: 'reply'; id: string; text: string }
  | { type: 'preview'; url: string };

export const inputLine = (input: AgentInput): string => `${JSON.stringify(input)}\n`;
