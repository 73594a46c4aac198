import { networkInterfaces } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { addressKind, isPublicAddress } from './address.js';

describe('a public address', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '172.32.0.1',
    '192.167.255.255',
    '100.128.0.1',
    '168.63.129.15',
    '168.63.129.17',
    '2606:4700::1111',
    '2a00:1450::1',
  ])('is %s', (address) => expect(isPublicAddress(address)).toBe(true));

  const own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  it.each([
    ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.255.0.1', '169.254.169.254', '172.16.0.1', '172.31.9.9'],
    ...['192.168.1.1', '198.18.0.1', '224.0.0.1', '239.1.1.1', '255.255.255.255', '192.0.2.7', '203.0.113.7'],
    ...['::', '::1', '::ffff:8.8.8.8', '::ffff:127.0.0.1', '::7f00:1', '64:ff9b::7f00:1', 'fe80::1', 'fe80::1%lo'],
    ...['fc00::1', 'fd12::1', 'ff02::1', '2002:7f00:1::', '2001:0:7f00::1', '2001:db8::1', '2606:4700::1%eth0'],
    ...['168.63.129.16', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254', '::ffff:168.63.129.16'],
    ...['', 'localhost', '127.1', '0x7f.1', '2130706433', ...own],
  ])('is not %s', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('the kind of an address', () => {
  it.each([
    ['1.1.1.1', 'public'],
    ['172.32.0.1', 'public'],
    ['2606:4700::1111', 'public'],
    // Only another way to write a public one, and a gateway's address for it.
    ['::ffff:8.8.8.8', 'public'],
    ['64:ff9b::808:808', 'public'],
    ['10.0.0.1', 'private'],
    ['127.0.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['100.64.0.1', 'private'],
    ['198.18.0.1', 'private'],
    ['::1', 'private'],
    ['fc00::1', 'private'],
    ['::ffff:127.0.0.1', 'private'],
    ['::7f00:1', 'private'],
    ['::ffff:0:7f00:1', 'private'],
    ['64:ff9b::7f00:1', 'private'],
    // Tunnels are never public, whatever is inside.
    ['2002:808:808::1', 'private'],
    ['2001:0:808:808::f7f7:f7f7', 'private'],
    ['64:ff9b:1::808:808', 'private'],
    ['0.0.0.0', 'forbidden'],
    ['169.254.169.254', 'forbidden'],
    ['169.254.170.2', 'forbidden'],
    ['100.100.100.200', 'forbidden'],
    ['192.0.0.192', 'forbidden'],
    ['168.63.129.16', 'forbidden'],
    ['224.0.0.1', 'forbidden'],
    ['240.0.0.1', 'forbidden'],
    ['255.255.255.255', 'forbidden'],
    ['::', 'forbidden'],
    ['fe80::1', 'forbidden'],
    ['fe80::1%eth0', 'forbidden'],
    ['ff02::1', 'forbidden'],
    ['fd00:ec2::254', 'forbidden'],
    ['fd20:ce::254', 'forbidden'],
    ['::ffff:169.254.169.254', 'forbidden'],
    ['::a9fe:a9fe', 'forbidden'],
    ['::ffff:0:a9fe:a9fe', 'forbidden'],
    ['64:ff9b::a9fe:a9fe', 'forbidden'],
    ['64:ff9b:1::a9fe:a9fe', 'forbidden'],
    ['2002:a9fe:a9fe::1', 'forbidden'],
    ['2001:0:a9fe:a9fe::1', 'forbidden'],
    // Teredo writes its client inverted.
    ['2001:0:808:808::5601:5601', 'forbidden'],
    ['fd00::5efe:a9fe:a9fe', 'forbidden'],
    ['metadata', 'forbidden'],
    ['', 'forbidden'],
  ])('%s is %s', (address, kind) => expect(addressKind(address)).toBe(kind));
});
