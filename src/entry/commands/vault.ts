import type { Command } from 'commander';
import { createVault } from '../../accounts/vault.js';
import { rotateSecrets } from '../../accounts/vault-rotation.js';
import { loadConfig } from '../../config/config.js';
import { variables } from '../../config/variables.js';
import { ForgewayError } from '../../lib/errors.js';
import { addKeyToFile, keyFileOf } from '../../store/key-file.js';
import { startProgress } from '../progress.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';
import { vaultStatus } from '../vault-status.js';
import { actor } from './delivery-options.js';

interface JsonOption {
  json?: boolean;
}

async function status({ json }: JsonOption): Promise<void> {
  const found = await withDatabase(vaultStatus);
  if (json) {
    console.log(formatJson(found));
    return;
  }
  printRows(found.keys, ['version', 'state', 'given', 'rows'], { empty: '' });
  console.log();
  printRows(found.tables, ['table', 'version', 'rows'], { empty: 'No secrets are stored.' });
  console.log(`\n${found.next}`);
}

async function rotate({ json }: JsonOption): Promise<void> {
  const summary = await withDatabase(async ({ database, store, keys, facts, organizationId }) => {
    // A server that runs with the old key alone could read nothing any more.
    if (facts.announced !== undefined)
      throw new ForgewayError('FORGEWAY_KEY_NOT_RECORDED', 'No server has the new encryption key yet.');
    const bar: { line?: ReturnType<typeof startProgress>; total: number } = { total: -1 };
    const result = await rotateSecrets({
      database,
      store,
      vault: createVault(keys.versions),
      target: facts.wanted,
      organizationId,
      actor: actor(),
      progress: (done, total) => {
        if (total !== bar.total) bar.line = startProgress(total, 'rows sealed with the new key');
        bar.total = total;
        bar.line?.at(done);
      },
    });
    bar.line?.end();
    return result;
  });
  const { keyVersion, rotated, failed, left } = summary;
  if (json) console.log(formatJson(summary));
  else {
    for (const { table, id, reason } of failed) console.error(`! ${table} ${id}: ${reason}`);
    console.log(`Key ${keyVersion} is in use. ${rotated} rows were sealed with it now, ${left} are left.`);
    if (left === 0) console.log('Earlier keys are needed by nothing here: keep them with the backups of their time.');
    else if (failed.length > 0)
      console.log('What cannot be opened keeps its key: restore the row from a backup, or remove what it belongs to.');
    else console.log('Rows were held by something else: run this again.');
  }
  if (left > 0) process.exitCode = 1;
}

async function newKey(): Promise<void> {
  const config = loadConfig();
  if (config.encryptionKey !== undefined || config.databaseUrl !== undefined)
    throw new ForgewayError(
      'FORGEWAY_CONFIG_INVALID',
      `The key comes from ${variables.encryptionKey.name}: make a new one with \`openssl rand -base64 32\`, set it there, and ` +
        `put the one before into ${variables.encryptionKeysPrevious.name}.`,
    );
  const path = keyFileOf(config.dataDir);
  await addKeyToFile(path);
  console.log(
    `A new key is the first line of ${path}. Back the file up, restart Forgeway, then run \`forgeway vault rotate\`.`,
  );
}

export function addVaultCommand(program: Command): void {
  const vault = program.command('vault').description('the keys that stored secrets are sealed with');

  vault
    .command('status')
    .description('which keys there are, how many rows each is needed for, and what to do next')
    .option('--json', 'as JSON')
    .action(status);

  vault
    .command('rotate')
    .description('seal every stored secret with the newest key, while servers run; may be interrupted and run again')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
To change the key:
  1. Set the new one in FORGEWAY_ENCRYPTION_KEY and the old one in FORGEWAY_ENCRYPTION_KEYS_PREVIOUS
     (embedded database without these variables: \`forgeway vault new-key\`).
  2. Restart every Forgeway process.
  3. Run \`forgeway vault rotate\`. Exit code 1 when rows are left.
  4. Take the old key away, and restart when it suits.`,
    )
    .action(rotate);

  vault
    .command('new-key')
    .description('put a new key into the key file of an embedded database, before those that it has')
    .action(newKey);
}
