/** Every command, by its name. */
import { agentCommands } from './agent.js';
import type { Command } from './command.js';
import { help, whyNot } from './help.js';
import { okToTest } from './ok-to-test.js';
import { preview } from './preview.js';
import { apply, plan, unlock } from './workspaces.js';

const all: readonly Command[] = [okToTest, preview, plan, apply, unlock, ...agentCommands, help, whyNot];

export const commands: ReadonlyMap<string, Command> = new Map(all.map((command) => [command.name, command]));
