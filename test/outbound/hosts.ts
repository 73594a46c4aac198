/**
 * The property of the guard that counts: what it says of a host is what is true of the address that was connected to. Hosts
 * are drawn by chance and repeatably: names whose DNS says something else each time, and addresses written in any way.
 *
 * In the first half every host is really connected to, on the loopback network, a part of which is allowed; who came is read
 * from the sockets of the listener. In the second half addresses are anywhere, so that nothing is connected; the guard's
 * answer is compared with the ranges of IANA's registry, written here a second time on purpose.
 */
import { createServer } from 'node:http';
import {
  type AddressInfo,
  BlockList,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  setDefaultAutoSelectFamilyAttemptTimeout,
} from 'node:net';
import { createOutbound, type Outbound, type Resolve } from '../../src/lib/outbound/outbound.js';
import { type Random, randomOf } from '../fuzz/random.js';
import { PATIENCE_MS } from '../support/patience.js';

const ALLOWED = '127.1.0.0/16';
const AT_ONCE = 32;

export interface HostsReport {
  hosts: number;
  connected: number;
  refused: number;
  /** Hosts of which the guard said something else than what was true; the first ten. */
  wrong: string[];
}

const isRefusal = (error: unknown): boolean => (error as { code?: unknown }).code === 'FORGEWAY_ADDRESS_REFUSED';
const byte = (random: Random): number => random.below(256);

/** The same IPv4 address as the URL parser reads it, in one of the ways to write it. */
function written(address: string, random: Random): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (value: number) => `0x${value.toString(16)}`;
  const octal = (value: number) => `0${value.toString(8)}`;
  return random.pick([
    address,
    String(number),
    hex(number),
    octal(number),
    [a, b, c, d].map(hex).join('.'),
    [a, b, c, d].map(octal).join('.'),
    `${a}.${(b * 256 + c) * 256 + d}`,
    `${hex(a)}.${b}.${c * 256 + d}`,
    address.replaceAll(/\d/g, (digit) => `%3${digit}`),
    address.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    address.replaceAll('.', '\u3002'),
    `${address}.`,
  ]);
}

const loopback = (random: Random): string =>
  `127.${random.chance(60) ? 1 : 2 + random.below(250)}.${byte(random)}.${1 + random.below(254)}`;
/** Never connected to, and so harmless to name. */
const NOWHERE = [
  '169.254.169.254',
  '10.0.0.1',
  '192.168.1.1',
  '100.100.100.200',
  '0.0.0.0',
  'fe80::1',
  '::ffff:10.0.0.1',
];
const family = (address: string) => ({ address, family: isIP(address) });

/** @param count of hosts that are connected to, one after the other in each of several lanes */
export async function connectToHosts(count: number, seed: number): Promise<HostsReport> {
  const report: HostsReport = { hosts: 0, connected: 0, refused: 0, wrong: [] };
  /** By the number of the host, which its request carries: the address at which it came in. */
  const came = new Map<string, string>();
  const server = createServer((request, response) => {
    came.set(request.url ?? '', request.socket.localAddress ?? '');
    response.setHeader('connection', 'close').end('ok');
  });
  let sockets = 0;
  server.on('connection', () => {
    sockets += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as AddressInfo;

  /** What DNS said the last time, for hosts that are names. */
  const said = new Map<string, readonly string[]>();
  const chance = new Map<string, Random>();
  const resolve: Resolve = async (name) => {
    const random = chance.get(name) ?? randomOf(seed, 0);
    const answers = Array.from({ length: 1 + random.below(3) }, () =>
      random.chance(15) ? random.pick(NOWHERE) : loopback(random),
    );
    said.set(name, answers);
    return answers.map(family);
  };
  const way = createOutbound({ allowed: [ALLOWED], resolve });
  const inside = (address: string) => /^(::ffff:)?127\.1\.\d+\.\d+$/.test(address);

  const one = async (at: number): Promise<void> => {
    const random = randomOf(seed, at);
    const path = `/${at}`;
    const isName = random.chance(50);
    const plain = loopback(random);
    const name = `host-${at}.example`;
    if (isName) chance.set(name, random);
    const host = isName ? name : written(plain, random);
    const verdict = await fetchOnce(way, `http://${host}:${port}${path}`);
    const reached = came.get(path);
    const places = isName ? (said.get(name) ?? []) : [plain];
    const isRight =
      verdict === 'connected'
        ? reached !== undefined && inside(reached) && places.every(inside)
        : verdict === 'refused' && reached === undefined && !places.every(inside);
    report.hosts += 1;
    if (verdict === 'connected') report.connected += 1;
    if (verdict === 'refused') report.refused += 1;
    if (!isRight && report.wrong.length < 10)
      report.wrong.push(`${at}: ${host} (${places.join(', ')}): ${verdict}, came at ${reached ?? 'none'}`);
    for (const map of [came, said, chance]) map.delete(map === came ? path : name);
  };
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < count; at = next++) await one(at);
  };
  // On a machine that is short of everything a quarter of a second passes, and the next address of a host is tried, too.
  const attemptMs = getDefaultAutoSelectFamilyAttemptTimeout();
  setDefaultAutoSelectFamilyAttemptTimeout(PATIENCE_MS);
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  } finally {
    setDefaultAutoSelectFamilyAttemptTimeout(attemptMs);
    await way.close();
    server.closeAllConnections();
    server.close();
  }
  // Whoever connected without a request would have been counted by nobody.
  if (sockets !== report.connected) report.wrong.push(`${sockets} sockets for ${report.connected} hosts`);
  return report;
}

async function fetchOnce(way: Outbound, url: string): Promise<string> {
  try {
    const answer = await way.fetch(url, { headers: { connection: 'close' } });
    await answer.text();
    return 'connected';
  } catch (error) {
    return isRefusal(error) ? 'refused' : String((error as { cause?: unknown }).cause ?? error);
  }
}

/** IANA's special-purpose ranges of IPv4, as first and last address, and the cloud platforms' own. */
const SPECIAL_FOUR: readonly (readonly [string, string])[] = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['168.63.129.16', '168.63.129.16'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.88.99.0', '192.88.99.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '255.255.255.255'],
];
const special = new BlockList();
for (const [first, last] of SPECIAL_FOUR) special.addRange(first, last, 'ipv4');
/** What is outside of 2000::/3, and the assignments inside that are not public. */
for (const [first, last] of [
  ['::', '1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['4000::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff'],
] as const)
  special.addRange(first, last, 'ipv6');

const edges = SPECIAL_FOUR.flat().map((address) =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0),
);
const dotted = (number: number) => [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');

/** Half of them near the end of a range, where mistakes are. */
function anyFour(random: Random): string {
  if (random.chance(50)) return dotted(random.below(2 ** 32));
  const near = random.pick(edges) - 2 + random.below(5);
  return dotted(Math.min(Math.max(near, 0), 2 ** 32 - 1));
}

function anySix(random: Random): string {
  const group = () => random.below(0x1_0000).toString(16);
  const first = random.chance(50)
    ? (0x2000 + random.below(0x2000)).toString(16)
    : random.pick(['2001', '2002', 'fe80', 'fd00', '3fff', '0', group()]);
  // Not one that a form with an IPv4 inside could be taken for: those have their own draw.
  return [
    first,
    random.pick(['0', '1ff', '200', 'db8', group()]),
    group(),
    group(),
    group(),
    '1',
    group(),
    group(),
  ].join(':');
}

/** @param count of hosts that are judged, of the whole of IPv4 and IPv6 */
export async function judgeHosts(count: number, seed: number): Promise<HostsReport> {
  const report: HostsReport = { hosts: 0, connected: 0, refused: 0, wrong: [] };
  let answers: readonly string[] = [];
  const way = createOutbound({ allowed: [], resolve: async () => answers.map(family) });
  for (let at = 0; at < count; at += 1) {
    const random = randomOf(seed, at);
    const draw = () => {
      const four = anyFour(random);
      if (random.chance(50)) return { plain: four, isSpecial: special.check(four, 'ipv4') };
      if (random.chance(30)) return { plain: `::ffff:${four}`, isSpecial: special.check(four, 'ipv4') };
      const six = anySix(random);
      return { plain: six, isSpecial: special.check(six, 'ipv6') };
    };
    const drawn = Array.from({ length: random.chance(50) ? 1 : 2 + random.below(3) }, draw);
    answers = drawn.map(({ plain }) => plain);
    const [first] = drawn;
    const isLiteral = drawn.length === 1 && random.chance(70);
    const literal = first?.plain.includes(':') ? `[${first.plain}]` : written(first?.plain ?? '', random);
    const host = isLiteral ? literal : 'name.example';
    const verdict = await way.pin(`https://${host}/`).then(
      () => 'connected',
      (error: unknown) => (isRefusal(error) ? 'refused' : String(error)),
    );
    report.hosts += 1;
    if (verdict === 'connected') report.connected += 1;
    if (verdict === 'refused') report.refused += 1;
    if (verdict !== (drawn.some(({ isSpecial }) => isSpecial) ? 'refused' : 'connected') && report.wrong.length < 10)
      report.wrong.push(`${at}: ${host} (${answers.join(', ')}): ${verdict}`);
  }
  await way.close();
  return report;
}
