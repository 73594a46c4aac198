/** Which addresses belong to the internet at large. */
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** IPv4 ranges that are not public, from IANA's registry of special-purpose addresses, with multicast and class E. */
const NOT_PUBLIC: readonly [string, number][] = [
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
/**
 * Hosts of cloud platforms that only a machine there reaches, at addresses that look public or might one day. Those of the
 * others (169.254.169.254, Alibaba's 100.100.100.200, Amazon's fd00:ec2::254) lie in ranges that are not public.
 */
const PLATFORM_HOSTS: readonly string[] = [
  // Azure's wire server: DNS, DHCP, health and the secrets of a machine's extensions.
  '168.63.129.16',
  // Oracle's metadata.
  '192.0.0.192',
];
/** Within 2000::/3, the only public part of IPv6: protocol assignments with Teredo, documentation, 6to4. */
const NOT_PUBLIC_SIX: readonly [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const notPublic = new BlockList();
for (const [network, prefix] of NOT_PUBLIC) notPublic.addSubnet(network, prefix, 'ipv4');
for (const host of PLATFORM_HOSTS) notPublic.addAddress(host, 'ipv4');
for (const [network, prefix] of NOT_PUBLIC_SIX) notPublic.addSubnet(network, prefix, 'ipv6');
const publicSix = new BlockList();
publicSix.addSubnet('2000::', 3, 'ipv6');

/** Whether an address belongs to the internet and not to this machine, its neighbourhood or its cloud's platform. */
export function isPublicAddress(address: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address));
  if (own.includes(address)) return false;
  switch (isIP(address)) {
    case 4:
      return !notPublic.check(address, 'ipv4');
    case 6:
      // An address with a zone is link-local, and what maps an IPv4 address lies outside 2000::/3.
      return !address.includes('%') && publicSix.check(address, 'ipv6') && !notPublic.check(address, 'ipv6');
    default:
      return false;
  }
}
