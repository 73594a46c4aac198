/** How a host is reached, as options of commands. */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ConnectionRoute, readCertificates, readProxy } from '../../accounts/connection-route.js';

export interface RouteOptions {
  caFile?: string;
  proxy?: string;
  proxyFile?: string;
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be opened';
    throw new InvalidArgumentError(`${what} ${file} cannot be read (${why}).`);
  }
}

const NOTHING = 'none';

/** How a host is reached, by the options of {@link addRouteOptions}. */
export function routeFrom({ caFile, proxy, proxyFile }: RouteOptions): ConnectionRoute {
  const given = proxyFile === undefined ? proxy : readText(proxyFile, 'The proxy’s file').trim();
  return {
    ...(caFile !== undefined && {
      ca: caFile === NOTHING ? null : readCertificates(readText(caFile, 'The file of certificates')),
    }),
    ...(given !== undefined && { proxy: given === NOTHING ? null : readProxy(given) }),
  };
}

export function addRouteOptions(command: Command): Command {
  return command
    .option(
      '--ca-file <file>',
      'PEM certificates that alone are trusted for this host; `none`: those of this machine; default: as it is',
    )
    .option('--proxy <url>', 'HTTP proxy to this host; `none`: without one; default: as it is')
    .addOption(
      new Option(
        '--proxy-file <file>',
        'a file that holds the proxy’s address, where it has a password in it',
      ).conflicts('proxy'),
    );
}
