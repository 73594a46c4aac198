/** Where this server may connect to: public addresses, and what its administrator named besides. */
import { BlockList, isIP } from 'node:net';
import { ForgewayError } from '../errors.js';
import { addressKind, writings } from './address.js';

/** The setting that allows more, as messages name it. */
export const ALLOWED_NETWORKS_SETTING = 'ALLOWED_PRIVATE_NETWORKS';

const PREFIX = /^(.+)\/(\d{1,3})$/;
const NAME = /^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;
/** A name whose last label is a number is read as an IPv4 address. */
const NUMERIC = /(^|\.)(\d+|0x[0-9a-f]*)$/;

type Place =
  | { kind: 'network'; network: string; prefix: number; family: 'ipv4' | 'ipv6' }
  | { kind: 'name'; name: string; below: boolean };

function placeOf(entry: string): Place | undefined {
  const [, network = entry, length] = PREFIX.exec(entry) ?? [];
  const version = isIP(network);
  const bits = version === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (version !== 0)
    return prefix > bits || network.includes('%')
      ? undefined
      : { kind: 'network', network, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
  const name = entry.toLowerCase();
  if (length !== undefined || !NAME.test(name) || NUMERIC.test(name)) return undefined;
  return name.startsWith('*.')
    ? { kind: 'name', name: name.slice(1), below: true }
    : { kind: 'name', name, below: false };
}

/** Whether text is a network, an address, a host name, or `*.` and the end of one. */
export const isPlace = (entry: string): boolean => placeOf(entry) !== undefined;

export interface Places {
  /** By name alone; a host name in lower case without a dot at its end. */
  hasName(host: string): boolean;
  hasAddress(address: string): boolean;
}

/** @param entries each one {@link isPlace} */
export function placesOf(entries: readonly string[]): Places {
  const networks = new BlockList();
  const names = new Set<string>();
  const ends: string[] = [];
  for (const place of entries.map(placeOf)) {
    if (place === undefined) throw new TypeError('One of the networks is none.');
    if (place.kind === 'network') networks.addSubnet(place.network, place.prefix, place.family);
    else if (place.below) ends.push(place.name);
    else names.add(place.name);
  }
  return {
    hasName: (host) => names.has(host) || ends.some((end) => host.endsWith(end)),
    hasAddress: (address) =>
      writings(address).some((text) => {
        const version = isIP(text);
        return version !== 0 && networks.check(text, version === 4 ? 'ipv4' : 'ipv6');
      }),
  };
}

/**
 * Ports of services that are no forge and that would act on a request: mail, shells, databases, container and cluster
 * control. Never connected to, wherever they are.
 */
const REFUSED_PORTS: ReadonlySet<number> = new Set([
  ...[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  ],
  ...[
    111, 113, 115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530,
  ],
  ...[531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049],
  ...[2375, 2376, 2377, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 5900, 5984, 6000, 6379, 6443],
  ...[6514, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 8500, 9042, 9200, 9300, 10_080, 10_250, 10_255, 11_211, 27_017],
]);

/** Hosts of cloud platforms by name, whatever they resolve to. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.goog',
  'metadata.google.internal',
  'instance-data',
  'instance-data.ec2.internal',
]);

export interface OutboundTarget {
  /** In lower case, without brackets and without a dot at its end. */
  hostname: string;
  port: number;
  /** Whether the host is an IP address itself. */
  isAddress: boolean;
}

export interface OutboundRules {
  /**
   * What can be said of a web address without asking anybody.
   * @throws ForgewayError FORGEWAY_ADDRESS_REFUSED
   */
  checkUrl(url: URL): OutboundTarget;
  /**
   * One address that a host is at, or was connected at.
   * @throws ForgewayError FORGEWAY_ADDRESS_REFUSED
   */
  checkAddress(hostname: string, address: string): void;
  /** Whether the administrator named this host. */
  isNamed(hostname: string): boolean;
}

const addressRefused = (message: string, details: Readonly<Record<string, unknown>> = {}): ForgewayError =>
  new ForgewayError('FORGEWAY_ADDRESS_REFUSED', message, { details });

/** @throws ForgewayError FORGEWAY_ADDRESS_REFUSED for text that is no address at all */
export function parseTarget(text: string): URL {
  if (!URL.canParse(text)) throw addressRefused('That is no web address.');
  return new URL(text);
}

/**
 * @param o.allowed networks and hosts that are allowed although they are private; each one {@link isPlace}
 * @param o.ownUrl where this server is reached itself: no forge, and a loop
 */
export function createOutboundRules(o: { allowed: readonly string[]; ownUrl?: string | undefined }): OutboundRules {
  const allowed = placesOf(o.allowed);
  const own = o.ownUrl === undefined ? undefined : new URL(o.ownUrl);
  const isNamed = (hostname: string) => allowed.hasName(hostname);

  const howToAllow = (host: string) => {
    const value = [...o.allowed, host].join(',');
    return `To allow it, the administrator sets ${ALLOWED_NETWORKS_SETTING}=${value} for \`forgeway up\` and for this command.`;
  };

  const checkAddress = (hostname: string, address: string): void => {
    const kind = addressKind(address);
    if (kind === 'public') return;
    const where = hostname === address ? address : `${hostname} (${address})`;
    if (kind === 'forbidden')
      throw addressRefused(`${where} is an address of the machine or of its cloud, which is never connected to.`);
    if (isNamed(hostname) || allowed.hasAddress(address)) return;
    throw addressRefused(
      `${where} is a private address, which this server may not connect to. ${howToAllow(hostname)}`,
      {
        setting: ALLOWED_NETWORKS_SETTING,
        value: hostname,
      },
    );
  };

  return {
    isNamed,
    checkAddress,
    checkUrl(url) {
      const { protocol } = url;
      if (protocol !== 'http:' && protocol !== 'https:')
        throw addressRefused(`${protocol.slice(0, 20)} addresses are not connected to, only http: and https:.`);
      if (url.username !== '' || url.password !== '')
        throw addressRefused('An address with a user name or password in it is not connected to.');
      const hostname = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
      const port = url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port);
      if (hostname === '') throw addressRefused('The address names no host.');
      if (REFUSED_PORTS.has(port)) throw addressRefused(`Port ${port} belongs to a service that is no forge.`);
      if (FORBIDDEN_NAMES.has(hostname)) throw addressRefused(`${hostname} is never connected to.`);
      const isAddress = isIP(hostname) !== 0;
      if (isAddress) checkAddress(hostname, hostname);
      // Resolvers differ in what they answer for it.
      else if (/(^|\.)localhost$/.test(hostname)) checkAddress(hostname, '127.0.0.1');
      if (own !== undefined && url.origin === own.origin && isBelow(url.pathname, own.pathname))
        throw addressRefused(`${own.href} is this server itself, and no forge.`);
      return { hostname, port, isAddress };
    },
  };
}

const isBelow = (path: string, base: string): boolean => {
  const folder = base.replace(/\/+$/, '');
  return path === folder || path.startsWith(`${folder}/`);
};
