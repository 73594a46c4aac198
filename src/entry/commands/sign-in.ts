import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import {
  forgesWithSignIn,
  listOAuthClients,
  providerIdAt,
  putOAuthClient,
  removeOAuthClient,
} from '../../accounts/sign-in/oauth-clients.js';
import {
  auditPlatform,
  type SignUpPolicy,
  signUpPolicies,
  statedSignUpPolicy,
  writeSignUpPolicy,
} from '../../accounts/sign-in/policy.js';
import { AUTH_PATH } from '../../accounts/sign-in/sign-in.js';
import { loadConfig } from '../../config/config.js';
import { variables } from '../../config/variables.js';
import { ForgewayError } from '../../lib/errors.js';
import { outboundOf } from '../outbound.js';
import { formatJson, printRows } from '../table.js';
import { withApiDatabase } from './api-database.js';
import { actor } from './delivery-options.js';
import { readToken } from './read-token.js';
import { addRouteOptions, type RouteOptions, routeFrom } from './route-options.js';

interface AddOptions extends RouteOptions {
  forge: string;
  url?: string;
  clientId: string;
  label?: string;
  public?: boolean;
  secretFile?: string;
  secretStdin?: boolean;
  json?: boolean;
}

const callbackOf = (publicUrl: string | undefined, providerId: string) =>
  `${publicUrl ?? 'http://YOUR-FORGEWAY (set PUBLIC_URL)'}${AUTH_PATH}/callback/${providerId}`;

async function add(options: AddOptions): Promise<void> {
  const { forge, url, clientId, label, secretFile, secretStdin } = options;
  const clientSecret = options.public
    ? undefined
    : await readToken(
        { ...(secretFile && { tokenFile: secretFile }), ...(secretStdin && { tokenStdin: true }) },
        'secret',
      );
  await withApiDatabase(async ({ pool, vault, config }) => {
    const client = await putOAuthClient(
      { pool, vault, outbound: outboundOf(config) },
      {
        forge,
        clientId,
        ...(url && { baseUrl: url }),
        ...(label && { label }),
        ...(clientSecret && { clientSecret }),
        route: routeFrom(options),
      },
    );
    await auditPlatform(pool, { actor: actor(), action: 'oauth-client.put', subject: client.providerId });
    const address = callbackOf(config.publicUrl, client.providerId);
    if (options.json)
      return console.log(formatJson({ provider: client.providerId, label: client.label, callback: address }));
    console.log(
      `People can sign in with ${client.label} now. Its callback address on the forge must be:\n  ${address}`,
    );
  });
}

/** Asks neither the database nor the forge: which address it will be is known before there is a client. */
function callback({ forge, url, json }: { forge: string; url?: string; json?: boolean }): void {
  const { publicUrl } = loadConfig();
  if (publicUrl === undefined)
    throw new ForgewayError(
      'FORGEWAY_CONFIG_INVALID',
      `${variables.publicUrl.name} is not set, and forges send people back there. ${variables.publicUrl.fix}`,
    );
  const provider = providerIdAt(forge, url);
  const address = callbackOf(publicUrl, provider);
  console.log(json ? formatJson({ provider, callback: address }) : address);
}

async function list(options: { json?: boolean }): Promise<void> {
  await withApiDatabase(async ({ pool, config }) => {
    const rows = (await listOAuthClients(pool)).map(({ providerId, label, endpoint, clientId, reached }) => ({
      provider: providerId,
      label,
      url: endpoint.webUrl,
      clientId,
      proxy: reached.proxy ?? '',
      certificates: reached.certificates,
      callback: callbackOf(config.publicUrl, providerId),
    }));
    const empty = 'There are none: see `forgeway sign-in clients add --help`.';
    printRows(rows, ['provider', 'label', 'url', 'clientId', 'callback'], {
      ...(options.json && { json: true }),
      empty,
      whole: ['callback', 'provider'],
    });
  });
}

async function remove(provider: string): Promise<void> {
  await withApiDatabase(async ({ pool }) => {
    if (!(await removeOAuthClient(pool, provider)))
      throw new InvalidArgumentError(`There is no client ${provider}: see \`forgeway sign-in clients list\`.`);
    await auditPlatform(pool, { actor: actor(), action: 'oauth-client.removed', subject: provider });
    console.log(
      `Nobody can sign in through ${provider} any more. Who is signed in stays so; see \`forgeway admin sign-out\`.`,
    );
  });
}

async function policy(to: SignUpPolicy | undefined, options: { json?: boolean }): Promise<void> {
  await withApiDatabase(async ({ pool }) => {
    if (to !== undefined) await writeSignUpPolicy(pool, to, actor());
    const stated = await statedSignUpPolicy(pool);
    const now = stated ?? 'closed';
    if (options.json) console.log(formatJson({ policy: now, stated: stated !== undefined }));
    else console.log(stated ?? `${now} (not stated yet: the App of the environment serves whoever can install it)`);
  });
}

export function addSignInCommand(program: Command): void {
  const signIn = program.command('sign-in').description('how people sign in, and who may');
  const clients = signIn.command('clients').description('forges that people can sign in with: one OAuth client each');
  const [first = 'FORGE'] = forgesWithSignIn();
  addRouteOptions(clients.command('add'))
    .description('register the OAuth application of a forge; the same instance again replaces it')
    .addOption(new Option('--forge <forge>', 'which kind of forge').choices(forgesWithSignIn()).makeOptionMandatory())
    .option('--url <url>', 'address of its start page; default: the forge’s own cloud')
    .requiredOption('--client-id <id>', 'as the forge shows it')
    .option('--label <text>', 'what the button says')
    .option('--secret-file <file>', 'a file that holds the client’s secret')
    .addOption(new Option('--secret-stdin', 'read it from standard input').conflicts('secretFile'))
    .addOption(new Option('--public', 'the client has no secret').conflicts(['secretFile', 'secretStdin']))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
First register an OAuth application on the forge, with the callback address that \`forgeway sign-in clients callback\` prints.

Examples:
  $ forgeway sign-in clients add --forge ${first} --client-id Iv1.abc --secret-file secret.txt
  $ pass show oauth | forgeway sign-in clients add --forge ${forgesWithSignIn().at(-1)} --url https://git.example.com --client-id abc --secret-stdin`,
    )
    .action(add);
  clients
    .command('callback')
    .description('the callback address that the OAuth application of a forge must have; register it there first')
    .addOption(new Option('--forge <forge>', 'which kind of forge').choices(forgesWithSignIn()).makeOptionMandatory())
    .option('--url <url>', 'address of its start page; default: the forge’s own cloud')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Example:
  $ forgeway sign-in clients callback --forge ${forgesWithSignIn().at(-1)} --url https://git.example.com`,
    )
    .action(callback);
  clients
    .command('list')
    .description('which there are, and their callback addresses')
    .option('--json', 'as JSON')
    .action(list);
  clients.command('remove').description('forget one, with its secret').argument('<provider>').action(remove);
  signIn
    .command('policy')
    .description('who may come in that is not known yet; without a word, what holds now')
    .addArgument(new Argument('[policy]').choices(signUpPolicies))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
closed        nobody; \`forgeway admin link\` lets one administrator in
organization  who belongs, on their forge, to an account or organization that is served here
open          everybody with an account on one of the forges

It also decides about accounts that install an App here: \`forgeway installations --help\`.

Examples:
  $ forgeway sign-in policy
  $ forgeway sign-in policy organization`,
    )
    .action(policy);
}
