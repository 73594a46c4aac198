/** Lines of JSON by the name of their event: what every program's table has in common. */
import type { z } from 'zod';
import { type AgentEvent, type AgentLine, agentLine, parseObject, rawEvent, shown } from '../protocol.js';
import { questionIn } from './format.js';

/** What one kind of event says, in our words but not yet cleaned; undefined when it is not as it should be. */
export type Row = (event: Record<string, unknown>) => Said[] | undefined;

/** A line of ours before it is cleaned and cut. */
export type Said = z.input<typeof agentLine>;

/** For events that tell a person nothing. */
export const silent: Row = () => [];

/** A row that reads an event with a schema. */
export function row<S extends z.ZodType>(schema: S, say: (event: z.output<S>) => Said[]): Row {
  return (event) => {
    const parsed = schema.safeParse(event);
    return parsed.success ? say(parsed.data) : undefined;
  };
}

/** Cleans what a row says; no row can say anything that the protocol does not allow. */
function cleaned(line: string, said: readonly Said[]): AgentEvent[] {
  return said.map((one) => {
    const parsed = agentLine.safeParse(one);
    return parsed.success ? (parsed.data satisfies AgentLine) : rawEvent(line, 'malformed');
  });
}

/**
 * One line by the table. An event that no row knows is shown raw, as is a line that is no JSON.
 * @param nameOf the name of an event's row
 */
export function byTable(
  table: Readonly<Record<string, Row>>,
  nameOf: (event: Record<string, unknown>) => string,
): (line: string) => AgentEvent[] {
  return (line) => {
    const event = parseObject(line);
    if (event === undefined) return [rawEvent(line, 'not-json')];
    const name = nameOf(event);
    const found = Object.hasOwn(table, name) ? table[name] : undefined;
    if (found === undefined) return [rawEvent(line, 'unknown')];
    const said = found(event);
    return said === undefined ? [rawEvent(line, 'malformed')] : cleaned(line, said);
  };
}

export const nameByType = ({ type }: Record<string, unknown>): string => (typeof type === 'string' ? type : '');

/** A value of any shape as one short line: arguments of a tool. */
export function brief(value: unknown, most = 500): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return shown(text, most).replaceAll('\n', ' ');
}

/** Text of a last answer: a question where it ends with one. */
export function answer(text: string): Said[] {
  const question = questionIn(text);
  return question === undefined ? [] : [{ type: 'question', text: question }];
}
