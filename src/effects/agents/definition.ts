/** How one agent is run, from the operator's configuration. */
import { z } from 'zod';
import { IMAGE } from '../../config/run-variables.js';
import { isAllowedVariable } from '../process/clean-environment.js';

/** The output formats that are understood; `forgeway` is our own line protocol. */
export const AGENT_FORMATS = ['forgeway', 'claude-code', 'codex', 'opencode', 'gemini', 'aider'] as const;
export type AgentFormat = (typeof AGENT_FORMATS)[number];

const name = z.string().regex(/^[a-z][a-z0-9-]{0,38}$/, 'lower-case letters, digits and hyphens');
const word = z
  .string()
  .min(1)
  .max(4_096)
  .refine((text) => !text.includes('\0'), 'no NUL');
const variable = z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/);
const isOpen = (one: string) => isAllowedVariable(one);

/** `host`, `*.host` for every name below it, or either with `:port`; without one, 443. */
const host = z
  .string()
  .max(253 + 6)
  .regex(/^(?:\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/);

export const agentLimits = z.strictObject({
  /** For each turn. */
  seconds: z.number().int().min(1).max(86_400).default(3_600),
  memoryMb: z.number().int().min(64).max(262_144).default(4_096),
  processes: z.number().int().min(8).max(8_192).default(512),
  diskMb: z.number().int().min(16).max(1_048_576).default(10_240),
  /** Everything it may print in its life; the rest is not kept. */
  outputMb: z.number().int().min(1).max(1_024).default(64),
});

export const agentDefinition = z.strictObject({
  name,
  /**
   * The program and its arguments. `{prompt}` is replaced by the task, `{prompt-file}` by the path of the file that holds
   * it, `{session}` by the session's uuid. An argument that has one of them is that text and nothing of it is interpreted.
   */
  command: z.array(word).min(1).max(64),
  /** The same for every later turn of an agent that ends after each; `{prompt}` is the reply. */
  resume: z.array(word).min(1).max(64).optional(),
  format: z.enum(AGENT_FORMATS).default('forgeway'),
  /** It works on a cluster, in this image: it has the command, `sh`, `tar` and `git`. */
  image: z.string().max(512).regex(IMAGE, 'must be the name of an image').optional(),
  /** Plain settings, such as the model's name. */
  env: z.record(variable.refine(isOpen, 'may not be set'), z.string().max(4_096)).default({}),
  /** Names of the secrets that the vault must hold for it, such as ANTHROPIC_API_KEY. */
  secrets: z.array(variable.refine(isOpen, 'may not be set')).max(16).default([]),
  /** Hosts that it may reach, such as its model's. Nothing else of the network is there for it. */
  hosts: z.array(host).max(64).default([]),
  /** The same of hosts in the operator's own network, such as a model server there. Never of this machine's platform. */
  privateHosts: z.array(host).max(16).default([]),
  limits: agentLimits.prefault({}),
});
export type AgentDefinition = z.output<typeof agentDefinition>;
