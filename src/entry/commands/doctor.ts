import type { Command } from 'commander';
import { examine } from '../doctor.js';
import { printRows } from '../table.js';

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check the settings and everything Forgeway needs; fails when something must be mended')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const findings = await examine();
      printRows([...findings], ['state', 'about', 'finding', 'fix'], {
        json: options.json,
        empty: 'Nothing was checked.',
      });
      if (findings.some(({ state }) => state === 'problem')) process.exitCode = 1;
    });
}
