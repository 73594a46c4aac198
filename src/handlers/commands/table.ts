/** Every command, by its name. */
import type { Command } from './command.js';
import { okToTest } from './ok-to-test.js';

export const commands: ReadonlyMap<string, Command> = new Map([okToTest].map((command) => [command.name, command]));
