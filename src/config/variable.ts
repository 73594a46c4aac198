import type { z } from 'zod';

/**
 * Every environment variable Forgeway reads, with its meaning. `docs/configuration.md` is generated from this table,
 * and `loadConfig` is the only reader of the environment. Probot's names are kept.
 */
export interface Variable {
  name: string;
  /** Older or other tools' names for the same thing, tried in order after `name`. */
  aliases?: readonly string[];
  meaning: string;
  /** What is read when the variable is not set; absent when the variable is optional. */
  default?: string;
  /** Instead of `default`, where it depends on the machine: how it is found, for people. */
  defaultNote?: string;
  secret?: boolean;
  /** Checks without a message of their own are worded by `refusal`. */
  schema: z.ZodType;
  /** What to do when the value is refused. */
  fix: string;
}
