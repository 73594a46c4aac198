import { type Command, InvalidArgumentError } from 'commander';
import { type Admitted, admitInstallation, describeAdmitted, waitingNamed } from '../../accounts/admit-installation.js';
import { listWaiting } from '../../accounts/newcomers.js';
import { createMetrics } from '../../lib/metrics.js';
import { admitPorts } from '../admit-installations.js';
import { lazyBridge } from '../lazy-bridge.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';
import { actor } from './delivery-options.js';

const NONE = 'Nobody waits: whoever has installed an App of this Forgeway is served.';

async function list(options: { json?: boolean }): Promise<void> {
  await withDatabase(async ({ store }) => {
    const rows = (await listWaiting(store.pool)).map((one) => ({
      account: one.accountLogin ?? '',
      host: one.host,
      app: one.appId,
      installation: one.installationId.toString(),
      ignored: one.deliveries,
      since: one.firstSeenAt,
    }));
    printRows(rows, ['account', 'host', 'app', 'installation', 'ignored', 'since'], {
      json: options.json,
      empty: NONE,
    });
  });
}

async function admit(name: string, options: { host?: string; json?: boolean }): Promise<void> {
  await withDatabase(async ({ store, config, keys, log }) => {
    const found = await waitingNamed(store.pool, name, options.host);
    if (found.length === 0)
      throw new InvalidArgumentError(`Nobody waits who is called ${name}: see \`forgeway installations list\`.`);
    const hosts = new Set(found.map(({ host }) => host));
    if (hosts.size > 1)
      throw new InvalidArgumentError(`${name} waits on ${[...hosts].join(' and ')}: say which with --host.`);
    const ports = admitPorts({ store, bridge: lazyBridge({ config, store, keys, log, metrics: createMetrics() }) });
    const outcomes: Admitted[] = [];
    for (const waiting of found) outcomes.push(await admitInstallation(ports, waiting, actor()));
    if (options.json) console.log(formatJson(outcomes));
    else for (const outcome of outcomes) console.log(describeAdmitted(outcome));
    if (outcomes.some(({ kind }) => kind === 'not-asked')) process.exitCode = 1;
  });
}

export function addInstallationsCommand(program: Command): void {
  const installations = program
    .command('installations')
    .description('accounts that have installed an App of this Forgeway and are not served yet');
  installations
    .command('list')
    .description('who waits, since when, and how many deliveries were ignored')
    .option('--json', 'as JSON')
    .action(list);
  installations
    .command('admit')
    .argument('<account>', 'its login, or the number of its installation')
    .description('serve it from now on, with what its installation reaches; nothing has to be installed again')
    .option('--host <host>', 'where it is, when the same name waits on several')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Who has to wait is set with \`forgeway sign-in policy\`: see docs/guides/github-app.md.

Examples:
  $ forgeway installations list
  $ forgeway installations admit acme`,
    )
    .action(admit);
}
