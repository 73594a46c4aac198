/** Every command, by its name. */
import { agentCommands } from './agent.js';
import type { Command } from './command.js';
import { help, whyNot } from './help.js';
import { okToTest } from './ok-to-test.js';

const all: readonly Command[] = [okToTest, ...agentCommands, help, whyNot];

export const commands: ReadonlyMap<string, Command> = new Map(all.map((command) => [command.name, command]));
