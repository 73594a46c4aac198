/** The address of a repository as people copy it, taken apart. */
import type { ForgeDescriptor } from './forge.js';

export interface RepositoryAddress {
  /** Of the instance, as connections name it: with its port and path where it has them. */
  host: string;
  /** As apps see it: the group `a/b` is `a~b`. */
  owner: string;
  name: string;
  /** As the forge writes it, such as `a/b/web`. */
  path: string;
}

/** `git@host:path`, which is no URL. */
const SCP = /^(?:[\w.-]+@)([\w.-]+):(?!\/\/)(\/?[^\s]+)$/;
const SEGMENT = /^(?!\.{1,2}$)[\w.-]+$/;

const refuse = (text: string, why: string): never => {
  throw new TypeError(`"${text}" is no address of a repository: ${why}`);
};

/** Host, and path without slashes at its ends. */
function partsOf(text: string): { host: string; hostname: string; path: string; isWeb: boolean } {
  const scp = SCP.exec(text);
  if (scp !== null) {
    const [, host = '', path = ''] = scp;
    return { host: host.toLowerCase(), hostname: host.toLowerCase(), path: path.replace(/^\/+/, ''), isWeb: false };
  }
  if (!URL.canParse(text)) return refuse(text, 'write it whole, as in https://git.example.com/acme/web.');
  const url = new URL(text);
  if (!['https:', 'http:', 'ssh:'].includes(url.protocol)) return refuse(text, 'only https, http and ssh are known.');
  const isWeb = url.protocol !== 'ssh:';
  if (url.password !== '' || (isWeb && url.username !== '')) return refuse(text, 'it carries a password.');
  if (url.search !== '' || url.hash !== '') return refuse(text, 'it goes on after the repository.');
  return { host: url.host, hostname: url.hostname, path: url.pathname.replace(/^\/+/, ''), isWeb };
}

/**
 * Reads `https://HOST/owner/name`, the same with `.git`, `git@HOST:owner/name.git` and `ssh://git@HOST/owner/name.git`.
 * @param forge whose instance it is: only some have owners of several segments
 * @param baseUrl of the instance; the forge's own cloud unless said otherwise. An address elsewhere is refused.
 * @throws TypeError saying what is wrong with it, in one sentence for a person
 */
export function parseRepositoryUrl(text: string, forge: ForgeDescriptor, baseUrl?: string): RepositoryAddress {
  const address = text.trim();
  const base = baseUrl ?? forge.cloudUrl ?? refuse(address, `${forge.label} has no cloud of its own.`);
  const { webUrl, host } = forge.endpoint(base);
  const web = new URL(webUrl);
  const { path, ...at } = partsOf(address);
  // SSH has a port of its own, which says nothing about the instance.
  if (at.isWeb ? at.host !== web.host : at.hostname !== web.hostname) return refuse(address, `it is not on ${host}.`);
  const below = web.pathname.replace(/^\/+|\/+$/g, '');
  const isBelow = below !== '' && `${path}/`.startsWith(`${below}/`);
  if (below !== '' && at.isWeb && !isBelow) return refuse(address, `it is not on ${host}.`);
  const rest = isBelow ? path.slice(below.length) : path;
  const segments = rest
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .replace(/^\/+/, '')
    .split('/');
  const [name = '', ...owners] = segments.toReversed();
  if (owners.length === 0 || (owners.length > 1 && forge.nestedOwners !== true))
    return refuse(address, forge.nestedOwners ? 'it lacks its group.' : 'it is owner and name, and nothing else.');
  if (!segments.every((segment) => SEGMENT.test(segment))) return refuse(address, 'a part of its path is no name.');
  return { host, owner: owners.toReversed().join('~'), name, path: segments.join('/') };
}
