import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  addPreviewCluster,
  type ClusterWish,
  choosePreviewCluster,
  listPreviewClusters,
  removePreviewCluster,
} from '../../accounts/preview-clusters.js';
import { createVault } from '../../accounts/vault.js';
import type { Who } from '../../jobs/preview/kubernetes/manifests/access.js';
import { outboundOf } from '../outbound.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

const BY = 'command line';
const OBJECT = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;
const USER = /^[\x21-\x7e]([\x20-\x7e]{0,251}[\x21-\x7e])?$/;
const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

interface AddOptions {
  context?: string;
  kubeconfig?: string;
  settings?: string;
}

async function wishOf(name: string, o: AddOptions): Promise<ClusterWish> {
  if (!NAME.test(name)) throw new InvalidArgumentError('A name has up to 40 small letters, digits and dashes.');
  if ((o.context === undefined) === (o.kubeconfig === undefined))
    throw new InvalidArgumentError('Say either --context or --kubeconfig.');
  const settings =
    o.settings === undefined ? {} : (parse(await readFile(o.settings, 'utf8'), { maxAliasCount: 0 }) ?? {});
  const kubeconfig = o.kubeconfig === undefined ? undefined : await readFile(o.kubeconfig, 'utf8');
  if (kubeconfig !== undefined)
    (await import('../../effects/kubernetes/connection.js')).readGivenKubeconfig(kubeconfig);
  const at = kubeconfig === undefined ? { context: o.context ?? '' } : { kubeconfig };
  return { name, at, settings: z.record(z.string(), z.unknown()).parse(settings), by: BY };
}

function whoOf(account: string, user: string | undefined): Who {
  if (user !== undefined) {
    if (!USER.test(user)) throw new InvalidArgumentError('A user has up to 253 letters that can be seen.');
    return { user };
  }
  const [namespace = '', name = '', ...more] = account.split('/');
  if (![namespace, name].every((part) => OBJECT.test(part)) || more.length > 0)
    throw new InvalidArgumentError('An account is written as namespace/name.');
  return { namespace, name };
}

/** Asks a cluster what it is, and what we may do there. */
async function tried({ config, keys, store, log, organizationId }: CommandSession, id: string | undefined) {
  const outbound = outboundOf(config);
  // Clients of Kubernetes take longer to load than everything else of a command.
  const { checkCluster } = await import('../../jobs/preview/kubernetes/check.js');
  const { openPreviewClusters, isInside } = await import('../preview-clusters.js');
  const clusters = openPreviewClusters({ config, outbound, keys, store, log });
  try {
    const home = await clusters.open(id ?? (await clusters.homeOf(organizationId)), organizationId);
    const found = await checkCluster(home.cluster, home.settings, !isInside(config, home.id));
    return { cluster: home.cluster.name, server: home.cluster.connection.server.origin, ...found };
  } finally {
    await clusters.close();
    await outbound.close();
  }
}

export function addClustersCommand(program: Command): void {
  const clusters = program.command('clusters').description('Kubernetes clusters that previews are made on');

  clusters
    .command('list')
    .description('clusters of the organization; without one, previews are made on that of the environment')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const rows = await withDatabase(({ store, organizationId }) => listPreviewClusters(store, organizationId));
      const empty = 'None: previews are made on the cluster that KUBECONFIG, or Forgeway’s own pod, names.';
      printRows(rows, ['name', 'context', 'chosen', 'previews', 'createdAt'], { json, empty });
    });

  clusters
    .command('add')
    .description('make new previews on another cluster; it is tried first')
    .argument('<name>', 'how it is called here')
    .option('--context <name>', 'a context of the kubeconfig that the server has')
    .option('--kubeconfig <file>', 'a kubeconfig with everything in it; it is sealed in the vault')
    .option('--settings <file>', 'YAML with what PREVIEW_CLUSTER_SETTINGS says differently there')
    .addHelpText(
      'after',
      '\nA kubeconfig that is given may name no files, programs or proxies: only an https address, certificates and a token ' +
        'as data.\n\nExamples:\n  $ forgeway clusters add europe --context eu-1\n  $ forgeway clusters add own --kubeconfig kubeconfig.yaml',
    )
    .action(async (name: string, options: AddOptions) => {
      const wish = await wishOf(name, options);
      const found = await withDatabase(async (session) => {
        const { config, store, keys, organizationId } = session;
        const { checkedSettings } = await import('../../jobs/preview/kubernetes/open-clusters.js');
        const { operatorSettings } = await import('../preview-clusters.js');
        const base = operatorSettings(config);
        const { domain = base.domain } = wish.settings;
        if (domain !== base.domain)
          throw new InvalidArgumentError(`All clusters have the previews of PREVIEW_DOMAIN, ${String(base.domain)}.`);
        checkedSettings({ ...base, ...wish.settings }, `cluster ${name}`);
        const before = (await listPreviewClusters(store, organizationId)).find(({ chosen }) => chosen)?.name ?? null;
        const id = await addPreviewCluster(store, createVault(keys.versions), organizationId, wish);
        try {
          return await tried(session, id);
        } catch (error) {
          await removePreviewCluster(store, organizationId, name, BY);
          await choosePreviewCluster(store, organizationId, before, BY);
          throw error;
        }
      });
      console.log(`${name} answers (${found.version}); new previews are made there.`);
      for (const one of found.warnings) console.warn(`Warning: ${one}`);
    });

  clusters
    .command('choose')
    .description('make new previews there; `default` is the cluster of the environment')
    .argument('<name>')
    .action(async (name: string) => {
      const chosen = name === 'default' ? null : name;
      await withDatabase(({ store, organizationId }) => choosePreviewCluster(store, organizationId, chosen, BY));
      console.log(`New previews are made on ${name}. One that lives elsewhere moves when it is next looked at.`);
    });

  clusters
    .command('test')
    .description('ask a cluster who it is, and whether what Forgeway may do there is enough, and not too much')
    .argument('[name]', 'default: the one where new previews are made')
    .option('--json', 'as JSON')
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const found = await withDatabase(async (session) => {
        const { store, organizationId } = session;
        const all = name === undefined || name === 'default' ? [] : await listPreviewClusters(store, organizationId);
        const known = all.find((one) => one.name === name);
        if (name !== undefined && name !== 'default' && known === undefined)
          throw new InvalidArgumentError(`There is no cluster ${name}. \`forgeway clusters list\` shows all.`);
        return tried(session, name === 'default' ? 'default' : known?.id);
      });
      if (json) return console.log(formatJson(found));
      console.log(`${found.cluster}: ${found.server} answers, ${found.version}.`);
      for (const one of found.warnings) console.warn(`Warning: ${one}`);
      if (found.warnings.length === 0) console.log('It lets Forgeway do what previews take, and no more.');
    });

  clusters
    .command('access')
    .description('print what lets Forgeway make previews on a cluster and do no more, for its administrator to apply')
    .option('--account <namespace/name>', 'the service account that Forgeway is there', 'forgeway/forgeway')
    .option('--user <name>', 'or the user, as a certificate or an identity provider names it')
    .option('--outside', 'Forgeway runs outside of the cluster, and leads visitors in through its API server')
    .addHelpText(
      'after',
      '\nA role that reads no Secret, and an admission policy (Kubernetes 1.30 and later) that refuses every write outside of ' +
        'namespaces that Forgeway made.\n\nExample:\n  $ forgeway clusters access --account ci/forgeway | kubectl apply -f -',
    )
    .action(async ({ account, user, outside = false }: { account: string; user?: string; outside?: boolean }) => {
      const { accessFile } = await import('../../jobs/preview/kubernetes/manifests/administrator.js');
      process.stdout.write(accessFile(whoOf(account, user), outside));
    });

  clusters
    .command('remove')
    .description('forget a cluster on which no previews live any more')
    .argument('<name>')
    .action(async (name: string) => {
      await withDatabase(({ store, organizationId }) => removePreviewCluster(store, organizationId, name, BY));
      console.log(`${name} is forgotten.`);
    });
}
