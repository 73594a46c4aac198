/** All formats by the name that a configuration gives. */
import type { AgentFormat } from '../definition.js';
import { aider } from './aider.js';
import { claudeCode } from './claude-code.js';
import { codex } from './codex.js';
import { forgeway } from './forgeway.js';
import type { AgentFormatDescription } from './format.js';
import { gemini } from './gemini.js';
import { opencode } from './opencode.js';

export const formats: Readonly<Record<AgentFormat, AgentFormatDescription>> = {
  forgeway,
  'claude-code': claudeCode,
  codex,
  opencode,
  gemini,
  aider,
};
