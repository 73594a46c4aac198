/** The address of whoever asks: the connection's, or what a proxy that the operator trusts says of it. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

export function trustedProxies(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', length] = range.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    list.addSubnet(address, length === undefined ? (family === 'ipv6' ? 128 : 32) : Number(length), family);
  }
  return list;
}

/** Whether what the request says of who sent it is the word of a proxy that the operator trusts. */
export function isFromTrusted(request: Pick<IncomingMessage, 'socket'>, trusted: BlockList): boolean {
  const address = plain(request.socket.remoteAddress ?? '');
  return isIP(address) !== 0 && trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');

/** Read from the right: each proxy adds at the end whom it saw, and what stands before is anybody's word. */
export function clientAddress(request: Pick<IncomingMessage, 'headers' | 'socket'>, trusted: BlockList): string {
  const given = request.headers['x-forwarded-for'];
  const said = (Array.isArray(given) ? given.join(',') : (given ?? '')).split(',').map((one) => plain(one.trim()));
  let address = plain(request.socket.remoteAddress ?? '');
  while (isIP(address) !== 0 && trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) {
    const before = said.pop();
    if (before === undefined || isIP(before) === 0) break;
    address = before;
  }
  return address;
}
