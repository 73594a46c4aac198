import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { loadConfig } from '../../config/config.js';
import { createLogger } from '../../lib/logger.js';
import { FACADE_APP_ID, type Facade, isLoopback, saveFacade } from '../facade-files.js';

interface FacadeOptions {
  port: number;
  appUrl: string;
  name: string;
  https?: boolean;
  connection?: string;
  secret?: string;
  secretFile?: string;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,40}$/;

function portNumber(text: string): number {
  const port = Number(text);
  // The app is told the address, so that the port has to be known.
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('Use a number from 1 to 65535.');
  return port;
}

function loopbackUrl(text: string): string {
  if (!isLoopback(text))
    throw new InvalidArgumentError(
      'The app must be on this machine: http://127.0.0.1:PORT/PATH. Between machines nothing here is encrypted.',
    );
  return text;
}

const shown = ({
  origin,
  privateKeyFile,
  secretFile,
  appUrl,
  name,
  tls,
}: Facade) => `Start the app, with a Probot of its own, as:
  GHE_HOST=${new URL(origin).host} ${
    tls === undefined ? 'GHE_PROTOCOL=http' : `NODE_EXTRA_CA_CERTS=${tls.certificateFile}`
  } APP_ID=${FACADE_APP_ID} PRIVATE_KEY_PATH=${privateKeyFile} WEBHOOK_SECRET="$(cat ${secretFile})"
It gets its webhooks at ${appUrl}; while nobody listens there
they wait and are tried again. What it answers otherwise than with 2xx is kept, and not repeated by itself:
forgeway deliveries dead, app facade:${name}`;

async function facade(options: FacadeOptions): Promise<void> {
  const { name, port, appUrl, https = false, connection, secretFile } = options;
  if (!NAME.test(name)) throw new InvalidArgumentError('--name takes small letters, digits, dots and dashes.');
  const secret = secretFile === undefined ? options.secret : readFileSync(secretFile, 'utf8').trim();
  if (secret !== undefined && secret.length < 8) throw new InvalidArgumentError('A secret has 8 characters or more.');
  const config = loadConfig();
  const log = createLogger({ level: config.logLevel, format: config.logFormat }).child({ process: 'server' });
  const saved = saveFacade(config.dataDir, { name, port, appUrl, https, connection, ...(secret && { secret }) });
  console.log(shown(saved));
  const { runServer } = await import('../server.js');
  await runServer(config, log, {
    workerArguments: ['--facade', name],
    companion: ['app', 'facade-listener', name],
  });
}

export function addAppFacadeCommand(app: Command): void {
  app
    .command('facade')
    .description('start server and workers, and serve every forge as a GitHub Enterprise to one app in its own process')
    .addOption(
      new Option('--port <port>', 'where the app finds /api/v3, on 127.0.0.1')
        .argParser(portNumber)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--app-url <url>', 'where the app waits for webhooks').argParser(loopbackUrl).makeOptionMandatory(),
    )
    .option('--name <name>', 'of the app: its deliveries are kept as facade:NAME', 'app')
    .option('--https', 'serve /api/v3 with a certificate made for it, which Probot 8 and older need')
    .option('--connection <id>', 'show it this connection only; default: all')
    .option('--secret-file <file>', 'the app’s webhook secret; made once when none is given')
    .addOption(
      new Option('--secret <secret>', 'the same on the command line, where others can read it').conflicts('secretFile'),
    )
    .addHelpText(
      'after',
      `
For apps that cannot leave their old Probot. The key that the app signs with is made once and kept in the data directory.
The app cannot clone with its token, which no forge knows.

Examples:
  $ forgeway app facade --port 3100 --app-url http://127.0.0.1:3000/ --secret-file secret.txt
  $ forgeway app facade --port 3100 --app-url http://127.0.0.1:3000/ --https --name probot-7-bot
  $ forgeway app facade --port 3100 --app-url http://127.0.0.1:3000/api/github/webhooks --name old-bot`,
    )
    .action(facade);

  app
    .command('facade-listener', { hidden: true })
    .argument('<name>')
    .action(async (name: string) => {
      const config = loadConfig();
      const log = createLogger({ level: config.logLevel, format: config.logFormat }).child({ process: 'facade' });
      const { runFacadeListener } = await import('../facade-listener.js');
      await runFacadeListener(config, log, name);
    });
}
