/** Every command, by its name. */
import type { Command } from './command.js';
import { okToTest } from './ok-to-test.js';
import { preview } from './preview.js';

export const commands: ReadonlyMap<string, Command> = new Map(
  [okToTest, preview].map((command) => [command.name, command]),
);
