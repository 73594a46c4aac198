import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import { listAgentSecrets, removeAgentSecret, setAgentSecret } from '../../accounts/agent-secrets.js';
import { createVault } from '../../accounts/vault.js';
import { plannedAgents } from '../agent-jobs.js';
import { withDatabase } from '../session.js';
import { printRows } from '../table.js';
import { actor } from './delivery-options.js';

const NAME = /^[A-Z][A-Z0-9_]{0,63}$/;

interface JsonOption {
  json?: boolean;
}

export function addAgentsCommand(program: Command): void {
  const agents = program.command('agents').description('agents that are configured, and the keys they are given');

  agents
    .command('list')
    .description('agents of AGENTS, and which of their keys are set')
    .option('--json', 'as JSON')
    .action((options: JsonOption) =>
      withDatabase(async ({ config, store, organizationId }) => {
        const set = new Set((await listAgentSecrets(store, organizationId)).map(({ name }) => name));
        const rows = [...(plannedAgents(config)?.byName.values() ?? [])].map(({ definition }) => ({
          name: definition.name,
          format: definition.format,
          command: definition.command[0],
          keys: definition.secrets.map((name) => (set.has(name) ? name : `${name} (not set)`)).join(', '),
        }));
        printRows(rows, ['name', 'format', 'command', 'keys'], {
          json: options.json,
          empty: 'No agents. AGENTS lists them; see docs/guides/agents.md.',
        });
      }),
    );

  const secrets = agents.command('secrets').description('keys that agents are given; whose key it is pays');

  secrets
    .command('list')
    .description('names of the keys that are set; their values are shown to nobody')
    .option('--json', 'as JSON')
    .action((options: JsonOption) =>
      withDatabase(async ({ store, organizationId }) =>
        printRows(await listAgentSecrets(store, organizationId), ['name', 'setBy', 'updatedAt'], {
          json: options.json,
          empty: 'No keys are set.',
        }),
      ),
    );

  secrets
    .command('set')
    .description('set or replace a key; its value is read from standard input')
    .argument('<name>', 'as the agent’s configuration names it, such as ANTHROPIC_API_KEY')
    .action((name: string) =>
      withDatabase(async ({ store, keys, organizationId }) => {
        if (!NAME.test(name))
          throw new InvalidArgumentError(`${name} is no name of a variable: capitals, digits and _.`);
        const value = (await text(process.stdin)).trim();
        if (value === '') throw new InvalidArgumentError('Standard input is empty: pipe the value into it.');
        await setAgentSecret(store, createVault(keys.versions), organizationId, { name, value, by: actor() });
        console.log(`${name} is set.`);
      }),
    );

  secrets
    .command('remove')
    .description('remove a key')
    .argument('<name>', 'as `forgeway agents secrets list` shows it')
    .action((name: string) =>
      withDatabase(async ({ store, organizationId }) => {
        if (!(await removeAgentSecret(store, organizationId, name, actor())))
          throw new InvalidArgumentError(`There is no key ${name}. \`forgeway agents secrets list\` shows all.`);
        console.log(`${name} is removed.`);
      }),
    );
}
