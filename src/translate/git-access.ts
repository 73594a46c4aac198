/** How git reads a repository: its address, and a credential that goes nowhere else. */
import { github } from '../forges/github/forge.js';
import { ForgewayError } from '../lib/errors.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';
import type { Credential } from './credential.js';
import type { KnownRepository } from './installation-lookup.js';

export interface GitAccess {
  /** Web address of the repository as git clones it, without credentials. */
  url: string;
  username: string;
  /** Of an App it reaches this repository alone, and only reads unless writing was asked for; it ends within the hour. */
  password: string;
  /** The only origin the password may be sent to. */
  origin: string;
  /** How it is reached, where not as usual. */
  route?: OutboundRoute;
  /** Full ref under which the head of a pull request is offered. */
  pullRequestRef(number: number): string;
}

/** Owner and name as the forge allows them; they become part of a URL that a password is sent to. */
const REPOSITORY_NAME = /^(?!\.{1,2}$)[\w.-]+$/;

const unreadable = () => new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', 'This repository cannot be read with git.');

/** @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN */
export async function gitAccessOf(credential: Credential, repository: KnownRepository): Promise<GitAccess> {
  const { installation, connection, endpoint, route } = credential;
  const { origin } = new URL(endpoint.webUrl);
  if (connection !== undefined) {
    // The page's address is the forge's own word for the path, which may be nested.
    if (!URL.canParse(repository.url) || new URL(repository.url).origin !== origin) throw unreadable();
    return {
      url: `${repository.url}.git`,
      username: connection.forge.gitUsername,
      password: await connection.token(),
      origin,
      ...(route && { route }),
      pullRequestRef: connection.forge.pullRequestRef,
    };
  }
  const { owner, name } = repository;
  if (installation === undefined || !REPOSITORY_NAME.test(owner) || !REPOSITORY_NAME.test(name)) throw unreadable();
  const { token } = await installation.app.installationToken(installation.scope);
  return {
    url: `${endpoint.webUrl}/${owner}/${name}.git`,
    username: github.gitUsername,
    password: token,
    origin,
    ...(route && { route }),
    pullRequestRef: github.pullRequestRef,
  };
}
