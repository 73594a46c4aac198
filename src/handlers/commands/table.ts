/** Every command, by its name. */
import type { Command } from './command.js';
import { okToTest } from './ok-to-test.js';
import { preview } from './preview.js';
import { apply, plan, unlock } from './workspaces.js';

export const commands: ReadonlyMap<string, Command> = new Map(
  [okToTest, preview, plan, apply, unlock].map((command) => [command.name, command]),
);
