/** What kind of place an IP address is: the internet at large, a private network, or one that nobody may be sent to. */
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

type Network = readonly [network: string, prefix: number];

/** IPv4 ranges that are not public, from IANA's registry of special-purpose addresses, with multicast and class E. */
const NOT_PUBLIC: readonly Network[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
/** Within 2000::/3, the only public part of IPv6: protocol assignments with Teredo, documentation, 6to4. */
const NOT_PUBLIC_SIX: readonly Network[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];
/**
 * What no setting can allow: "this host", link-local with the metadata of nearly every cloud, multicast, broadcast, and the
 * platform hosts that lie elsewhere, some at addresses that look public.
 */
const FORBIDDEN: readonly Network[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
  // Azure's wire server, Oracle's metadata, Alibaba's.
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
  ['100.100.100.200', 32],
];
const FORBIDDEN_SIX: readonly Network[] = [
  ['::', 128],
  ['fe80::', 10],
  ['ff00::', 8],
  // Amazon's metadata and credentials, Google's metadata.
  ['fd00:ec2::', 32],
  ['fd20:ce::', 32],
];

function blockList(four: readonly Network[], six: readonly Network[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of four) list.addSubnet(network, prefix, 'ipv4');
  for (const [network, prefix] of six) list.addSubnet(network, prefix, 'ipv6');
  return list;
}

const notPublic = blockList(
  [...NOT_PUBLIC, ...FORBIDDEN.filter(([, prefix]) => prefix === 32)],
  [...NOT_PUBLIC_SIX, ...FORBIDDEN_SIX],
);
const publicSix = blockList([], [['2000::', 3]]);
const forbidden = blockList(FORBIDDEN, FORBIDDEN_SIX);

/** Eight groups of an IPv6 address without a zone. */
function groupsOf(address: string): number[] {
  // The URL parser writes a dotted tail as groups.
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const parse = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [first, last] = [parse(head), parse(tail ?? '')];
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}

const dotted = (high: number, low: number): string => `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;

interface Embedded {
  /** Addresses that a packet may end at. */
  inside: readonly string[];
  /** Whether the outer address is only another way to write the inner one, or a gateway's for it. */
  same: boolean;
}

/** The IPv4 addresses in the forms of IPv6 that carry one. */
function embedded(address: string): Embedded {
  const groups = groupsOf(address);
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const last = dotted(g, h);
  const zeros = (count: number) => groups.slice(0, count).every((group) => group === 0);
  // ::ffff:a.b.c.d, ::a.b.c.d, ::ffff:0:a.b.c.d, and NAT64.
  if (zeros(5) && f === 0xffff) return { inside: [last], same: true };
  if (zeros(6) && g !== 0) return { inside: [last], same: true };
  if (zeros(4) && e === 0xffff && f === 0) return { inside: [last], same: true };
  if (a === 0x64 && b === 0xff9b && groups.slice(2, 6).every((group) => group === 0))
    return { inside: [last], same: true };
  if (a === 0x64 && b === 0xff9b && c === 1) return { inside: [last], same: false };
  // 6to4, Teredo with its server and its client, ISATAP.
  if (a === 0x2002) return { inside: [dotted(b, c)], same: false };
  if (a === 0x2001 && b === 0) return { inside: [dotted(c, d), dotted(g ^ 0xffff, h ^ 0xffff)], same: false };
  if ((e & 0xfdff) === 0 && f === 0x5efe) return { inside: [last], same: false };
  return { inside: [], same: false };
}

/** Whether an address belongs to the internet and not to this machine, its neighbourhood or its cloud's platform. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !notPublic.check(address, 'ipv4') && !ownAddresses().has(address);
    case 6:
      // An address with a zone is link-local, and what maps an IPv4 address lies outside 2000::/3.
      return (
        !address.includes('%') &&
        publicSix.check(address, 'ipv6') &&
        !notPublic.check(address, 'ipv6') &&
        !ownAddresses().has(address)
      );
    default:
      return false;
  }
}

/** Asking the system takes half a millisecond, and a machine's addresses seldom change. */
const OWN_MS = 1_000;
const known = { at: Number.NEGATIVE_INFINITY, addresses: new Set<string>() };

function ownAddresses(): ReadonlySet<string> {
  if (performance.now() - known.at >= OWN_MS) {
    const lists = Object.values(networkInterfaces());
    known.addresses = new Set(lists.flatMap((list) => (list ?? []).map(({ address }) => address)));
    known.at = performance.now();
  }
  return known.addresses;
}

export type AddressKind = 'public' | 'private' | 'forbidden';

/**
 * `private` may be allowed by an administrator; `forbidden` never. What is no address is forbidden, and so is one with a zone.
 */
export function addressKind(address: string): AddressKind {
  const version = isIP(address);
  if (version === 0 || address.includes('%')) return 'forbidden';
  if (version === 4) {
    if (forbidden.check(address, 'ipv4')) return 'forbidden';
    return isPublicAddress(address) ? 'public' : 'private';
  }
  if (forbidden.check(address, 'ipv6')) return 'forbidden';
  const { inside, same } = embedded(address);
  const kinds = inside.map(addressKind);
  if (kinds.includes('forbidden')) return 'forbidden';
  const [inner] = kinds;
  if (same && inner !== undefined) return inner;
  return isPublicAddress(address) ? 'public' : 'private';
}

/** The address with the IPv4 one that it only writes differently; for a look-up in lists. */
export function writings(address: string): string[] {
  if (isIP(address) !== 6) return [address];
  const { inside, same } = embedded(address);
  return same ? [address, ...inside] : [address];
}
