import { mkdir, rename, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.js';
import { formatJson } from '../table.js';

const TIMEOUT_MS = 15_000;

const begun = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  verification_uri_complete: z.string(),
  expires_in: z.number(),
  interval: z.number(),
});
const granted = z.object({ access_token: z.string() });
const refused = z.object({ error: z.string() });
const WAITING = new Set(['authorization_pending', 'slow_down']);

async function post(url: string, body: unknown): Promise<unknown> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'forgeway login' },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return await response.json();
  } catch (error) {
    throw new InvalidArgumentError(`${new URL(url).host} did not answer like a Forgeway (${messageOf(error)}).`);
  }
}

async function login({ url, file, json }: { url: string; file: string; json?: boolean }): Promise<void> {
  const base = `${url.replace(/\/+$/, '')}/api/auth/device`;
  if (!URL.canParse(base)) throw new InvalidArgumentError(`${url} is not an address.`);
  const answer = begun.safeParse(await post(`${base}/code`, { client_name: `forgeway on ${hostname()}`.slice(0, 80) }));
  if (!answer.success) throw new InvalidArgumentError(`${new URL(url).host} did not answer like a Forgeway.`);
  const { device_code, user_code, verification_uri_complete, expires_in, interval } = answer.data;
  console.error(`Open this address, compare the code ${user_code}, and allow it:\n\n  ${verification_uri_complete}\n`);
  const until = Date.now() + expires_in * 1_000;
  while (Date.now() < until) {
    await sleep(interval * 1_000);
    const said = await post(`${base}/token`, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code,
    });
    const yes = granted.safeParse(said);
    if (yes.success) {
      // Whole or not at all, and never readable by others in between.
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      const beside = `${file}.${process.pid}`;
      await writeFile(beside, `${yes.data.access_token}\n`, { mode: 0o600 });
      await rename(beside, file);
      return console.log(json ? formatJson({ file }) : `Signed in. The token is in ${file}.`);
    }
    const no = refused.safeParse(said);
    if (!no.success || !WAITING.has(no.data.error))
      throw new InvalidArgumentError(
        no.data?.error === 'access_denied' ? 'It was refused.' : 'The code is not valid any more: begin again.',
      );
  }
  throw new InvalidArgumentError('Nobody allowed it within the time: begin again.');
}

export function addLoginCommand(program: Command): void {
  program
    .command('login')
    .description('sign this machine in to a Forgeway: shows an address and a code, and waits until you allow it there')
    .requiredOption('--url <url>', 'where the Forgeway is')
    .option(
      '--file <file>',
      'where the token is kept, readable by you alone',
      join(homedir(), '.config/forgeway/token'),
    )
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
The token can do all that you may, for seven days or until you sign out everywhere.

Examples:
  $ forgeway login --url https://forgeway.example.com
  $ curl -H "Authorization: Bearer $(cat ~/.config/forgeway/token)" https://forgeway.example.com/api/auth/session`,
    )
    .action(login);
}
