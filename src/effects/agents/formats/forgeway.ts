/** Our own line protocol, docs/agent-protocol.md. */
import { inputLine, parseLine } from '../protocol.js';
import type { AgentFormatDescription } from './format.js';

export const forgeway: AgentFormatDescription = {
  program: 'anything that speaks the line protocol',
  version: '1',
  source: 'docs/agent-protocol.md',
  tried: true,
  input: 'follow',
  parse: (line) => [parseLine(line)],
  encode: inputLine,
};
