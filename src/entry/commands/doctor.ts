import type { Command } from 'commander';
import { examine } from '../doctor.js';
import { formatJson } from '../table.js';

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check the settings and everything Forgeway needs; fails when something must be mended')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const findings = await examine();
      if (options.json) console.log(formatJson(findings));
      else
        for (const { state, about, finding, fix } of findings)
          console.log(`${state.padEnd(7)}  ${about}: ${finding}${fix === undefined ? '' : `\n         ${fix}`}`);
      if (findings.some(({ state }) => state === 'problem')) process.exitCode = 1;
    });
}
