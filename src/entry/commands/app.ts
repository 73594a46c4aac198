import type { Command } from 'commander';
import { addAppFacadeCommand } from './app-facade.js';
import { addAppInspectCommand } from './app-inspect.js';
import { addAppReceiveCommand } from './app-receive.js';
import { addAppRepositoryCommands } from './app-repositories.js';
import { addAppRunCommand } from './app-run.js';
import { addAppTestCommand } from './app-test.js';

export function addAppCommand(program: Command): void {
  const app = program.command('app').description('Probot apps, served on every forge as they are');
  addAppRunCommand(app);
  addAppInspectCommand(app);
  addAppReceiveCommand(app);
  addAppTestCommand(app);
  addAppFacadeCommand(app);
  addAppRepositoryCommands(app);
}
