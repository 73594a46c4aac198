/** What is known of one program's way to speak: how its lines are read and how it is told things. */
import type { AgentEvent, AgentInput } from '../protocol.js';

export interface AgentFormatDescription {
  /** The program, for people. */
  program: string;
  /** Version whose output the table was written for, and where that output is described in public. */
  version: string;
  source: string;
  /** Whether it was run here, or its documented output was only read. */
  tried: boolean;
  /** `follow`: it reads replies while it runs. `whole`: it reads its standard input to the end and ends after each turn. */
  input: 'follow' | 'whole';
  /** Its lines are text, which may mean something. Else they are JSON, and those that are not are shown as they are. */
  speaksText?: true;
  /** What one line of its output says, in order; none for what is of no use to anybody. Never throws. */
  parse(line: string): AgentEvent[];
  /** How it is given something on its standard input. */
  encode(input: AgentInput): string;
}

/** Programs without a line of their own for it are told to end with such a line when they need an answer. */
export const QUESTION_MARK = 'QUESTION:';

/** The question that a text ends with, when its last paragraph begins with the mark. */
export function questionIn(text: string): string | undefined {
  const at = text.lastIndexOf(`\n${QUESTION_MARK}`);
  const from = text.startsWith(QUESTION_MARK) ? 0 : at === -1 ? -1 : at + 1;
  const last = at === -1 ? from : at + 1;
  return last === -1 ? undefined : text.slice(last + QUESTION_MARK.length).trim() || undefined;
}

/** For those that take plain text. */
export const asText = (input: AgentInput): string => `${input.type === 'preview' ? input.url : input.text}\n`;
