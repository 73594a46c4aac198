/** Networks in the rules of a cluster: which may be gone to, and which never, whatever an operator writes. */
import { BlockList, isIP } from 'node:net';

export interface Cidr {
  address: string;
  bits: number;
  family: 'ipv4' | 'ipv6';
}

/** Undefined when it is none, or says bits beyond its own length. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', bitsText = ''] = text.split('/');
  const version = isIP(address);
  if (version === 0 || !/^\d{1,3}$/.test(bitsText) || text.split('/').length !== 2) return undefined;
  const bits = Number(bitsText);
  return bits > (version === 4 ? 32 : 128) ? undefined : { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** Whether every address of `inner` is one of `outer`. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.bits > inner.bits) return false;
  const list = new BlockList();
  list.addSubnet(outer.address, outer.bits, outer.family);
  return list.check(inner.address, inner.family);
}

const ranges = (...texts: string[]): Cidr[] =>
  texts.map((text) => {
    const cidr = parseCidr(text);
    if (cidr === undefined) throw new Error(`${text} is no network`);
    return cidr;
  });
/** Metadata services, the node itself, and names of other addresses: gone to by nobody, whatever the operator writes. */
const NEVER = ranges(
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.0/24'],
  ...['::1/128', 'fe80::/10', 'fd00:ec2::/32', '64:ff9b::/96', '2002::/16', '2001::/32'],
);
/** Clusters, nodes and offices: left out of anything wider, gone to where the operator names them. */
const PRIVATE = ranges('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7');

const cidrText = ({ address, bits }: Cidr) => `${address}/${bits}`;

/**
 * Peers for the networks that may be gone to, with every forbidden part cut out of them.
 * @throws Error for what is no network: a schema has read it before
 */
export function outside(allowed: readonly string[], never: readonly string[]) {
  const forbidden = [...NEVER, ...ranges(...never)];
  return ranges(...allowed)
    .filter((network) => !forbidden.some((one) => cidrContains(one, network)))
    .map((network) => {
      const except = [...forbidden, ...PRIVATE.filter((one) => one.bits > network.bits)]
        .filter((one) => cidrContains(network, one))
        .map(cidrText);
      return { ipBlock: { cidr: cidrText(network), ...(except.length === 0 ? {} : { except: [...new Set(except)] }) } };
    });
}

/** Pods of a namespace, as a peer of a NetworkPolicy. */
export const podsAt = (o: { namespace: string; labels: Record<string, string> }) => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': o.namespace } },
  podSelector: { matchLabels: o.labels },
});
