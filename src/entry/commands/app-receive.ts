import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { forges } from '../../forges/registry.js';
import { messageOf } from '../../lib/errors.js';
import { tellWhoEnds } from '../../lib/left-behind.js';
import { createLogger } from '../../lib/logger.js';
import { type AddedApps, importApps, legacyOption } from '../added-apps.js';
import type { Received } from '../app-receive.js';
import { saysWhoEnded, timeoutOption } from '../app-trial.js';
import { defaultForge } from '../default-app.js';
import { formatJson } from '../table.js';

interface ReceiveOptions {
  event: string;
  payload: string;
  forge?: string;
  url?: string;
  tokenFile?: string;
  send?: boolean;
  legacy?: AddedApps['legacy'];
  json?: boolean;
  timeout?: number;
}

const SHOWN_BODY = 160;

function print({ ignored, runs, requests }: Received): void {
  if (ignored !== undefined) console.log(`Nothing ran: ${ignored}`);
  for (const { app, event, outcome, reason } of runs)
    console.log(`${app} on ${event}: ${outcome}${reason === undefined ? '' : ` (${reason})`}`);
  const width = Math.max(0, ...requests.map(({ path }) => path.length));
  for (const { method, path, status, held, body } of requests) {
    const note = held ? '  held back' : '';
    console.log(`  ${method.padEnd(6)} ${path.padEnd(width)}  ${status === 0 ? 'no answer' : status}${note}`);
    if (!held || body === undefined || method === 'GET') continue;
    const text = JSON.stringify(body);
    console.log(`         ${text.length > SHOWN_BODY ? `${text.slice(0, SHOWN_BODY)}…` : text}`);
  }
  if (requests.some(({ held }) => held)) console.log('What is held back was answered as made up; --send sends writes.');
}

function tokenIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new InvalidArgumentError(`The token's file cannot be read: ${messageOf(error)}.`);
  }
}

async function receive(apps: string[], options: ReceiveOptions): Promise<void> {
  const forge = options.forge === undefined ? defaultForge : forges.get(options.forge);
  if (forge === undefined) throw new InvalidArgumentError(`Forges are ${[...forges.keys()].join(', ')}.`);
  const url = options.url ?? forge.cloudUrl;
  if (url === undefined || !URL.canParse(url))
    throw new InvalidArgumentError('Write the address of the instance with --url.');
  const token = options.tokenFile === undefined ? undefined : tokenIn(options.tokenFile);
  if (options.send && token === undefined) throw new InvalidArgumentError('--send needs --token-file.');
  tellWhoEnds(saysWhoEnded);
  const { receiveOnce } = await import('../app-receive.js');
  const received = await receiveOnce({
    apps: await importApps({ apps, legacy: options.legacy }),
    forge,
    url,
    token,
    event: options.event,
    payloadFile: options.payload,
    native: forge.routes !== undefined,
    send: options.send ?? false,
    handlerTimeoutMs: options.timeout,
    log: createLogger({ level: 'warn', format: process.stderr.isTTY ? 'pretty' : 'json' }),
  });
  if (options.json) console.log(formatJson(received));
  else print(received);
  // An app may have started timers or servers of its own.
  process.exit(received.ok ? 0 : 1);
}

export function addAppReceiveCommand(app: Command): void {
  app
    .command('receive')
    .description('hand one payload to an app, once, without server and database, and print what it requests')
    .argument('<apps...>', 'as for `app run`')
    .requiredOption('-e, --event <event>', 'issues or issues.opened; of a native payload the name in its event header')
    .requiredOption('-p, --payload <file>', 'JSON as GitHub sends it, or with --forge as that forge sends it')
    .addOption(new Option('--forge <forge>', 'whose payload it is, and who is asked').choices([...forges.keys()]))
    .option('--url <url>', 'address of the instance; default: the forge’s own cloud')
    .option('--token-file <file>', 'a token to read with; without one nobody is asked and nothing is found')
    .option('--dry-run', 'writes are answered as made up and listed, not sent (the default)')
    .addOption(new Option('--send', 'send writes too').conflicts('dryRun'))
    .addOption(legacyOption())
    .addOption(timeoutOption())
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Exit codes: 0 every app that listens ran to its end; 1 one failed, or none listens.

Examples:
  $ forgeway app receive -e issues.opened -p opened.json ./app.js
  $ forgeway app receive -e pull_request -p native.json --forge ${[...forges.keys()].at(-1)} --url https://git.example.com --token-file token.txt ./app.js`,
    )
    .action(receive);
}
