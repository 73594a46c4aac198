/** What an agent's process is started with: where things are, how it gets out, and what the operator set. */
import { join } from 'node:path';
import { isAllowedVariable, SYSTEM_PATH } from '../process/clean-environment.js';
import { EGRESS_ENVIRONMENT } from '../process/egress.js';
import type { AgentDefinition } from './definition.js';

export const TASK_FOLDER = 'task';
export const TASK_FILE = 'task.md';

export interface AgentPlaces {
  /** Where the workspace lies as the agent sees it. */
  workspace: string;
  programs?: string;
}

export function agentEnvironment(
  o: AgentPlaces & { agent: AgentDefinition; sessionId: string; hasEgress: boolean },
): Record<string, string> {
  const { workspace, programs, agent } = o;
  const own = Object.entries(agent.env).filter(([name]) => isAllowedVariable(name));
  return {
    ...Object.fromEntries(own),
    ...(o.hasEgress ? EGRESS_ENVIRONMENT : {}),
    PATH: programs === undefined ? SYSTEM_PATH : `${programs}:${SYSTEM_PATH}`,
    HOME: join(workspace, 'home'),
    TMPDIR: join(workspace, 'tmp'),
    USER: 'preview',
    LOGNAME: 'preview',
    SHELL: '/bin/sh',
    LANG: 'C.UTF-8',
    CI: 'true',
    FORGEWAY_SESSION: o.sessionId,
    FORGEWAY_TASK_FILE: join(workspace, TASK_FOLDER, TASK_FILE),
    // Its own repository has no remote; what somebody else's files say of helpers and hooks is not for it either.
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
  };
}

/** The secrets that may go in under their names. */
export const agentSecrets = (secrets: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(secrets).filter(
      ([name, value]) => /^[A-Z][A-Z0-9_]{0,63}$/.test(name) && isAllowedVariable(name) && !value.includes('\0'),
    ),
  );

/** An argument list with its places filled in. Each argument stays one, whatever is put into it. */
export function argumentsOf(
  command: readonly string[],
  values: { prompt: string; promptFile: string; session: string },
): string[] {
  return command.map((word) =>
    word.replace(/\{(prompt|prompt-file|session)\}/g, (_all, name: string) =>
      name === 'prompt' ? values.prompt : name === 'session' ? values.session : values.promptFile,
    ),
  );
}
