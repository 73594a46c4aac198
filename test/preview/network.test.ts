/** What previews and builds can reach, and how previews are reached: real network namespaces, relays and a real gateway. */
import { randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { type Gateway, startGateway } from '../../src/effects/gateway/gateway.js';
import { createVisitorLinks } from '../../src/effects/gateway/visitor-link.js';
import { cleanEnvironment } from '../../src/effects/process/clean-environment.js';
import { EGRESS_ENVIRONMENT, EGRESS_PORT, openEgress } from '../../src/effects/process/egress.js';
import { RELAY } from '../../src/effects/process/network-script.js';
import { listProcesses, type ProcessRecord } from '../../src/effects/process/process-table.js';
import { runTool } from '../../src/effects/process/run-tool.js';
import type { Sandbox, Sandboxes, SandboxNetwork } from '../../src/effects/process/sandbox.js';
import { BUBBLEWRAP_BASE } from '../../src/effects/process/sandbox-probe.js';
import { createPreviewRoutes } from '../../src/jobs/preview/routes.js';
import { findSandboxProbe, openTestSandboxes, type TestSandboxes } from '../support/sandboxes.js';
import { createHarness, eventually, type Harness, open } from './harness.js';
import { echoOverWebSocket } from './web-socket-client.js';

const found = await findSandboxProbe();
// Root does not need bubblewrap; where it is installed, what others get is tried too.
const wrapped = found?.mode === 'uid' && (await runTool('bwrap', [...BUBBLEWRAP_BASE, '--', 'true'])).code === 0;
const asOthers = {
  mode: 'bubblewrap' as const,
  namespaces: true,
  network: true,
  nestedUsers: true,
  bubblewrap: 'bwrap',
};
const other = wrapped ? [asOthers] : [];
const modes = [...(found?.network ? [found] : []), ...other].map((probe) => ({ name: probe.mode, probe }));
const { skip } = describe;
if (modes.length === 0) {
  process.stderr.write('network tests are skipped: run as root with CAP_SYS_ADMIN, or `apt-get install bubblewrap`\n');
  skip('a network', () => it('needs namespaces', () => expect(found?.network).toBe(true)));
}

async function listening(server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

const close = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** Everything that runs for these sandboxes, and which of it are relays. */
async function runningIn(sandboxes: Sandboxes) {
  const all = (await Promise.all((await sandboxes.list()).map(sandboxes.processesOf))).flat();
  const commands = await Promise.all(
    all.map(async ({ pid }) => (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')),
  );
  // The shell that starts it again has its program among its arguments too.
  const relays = all.filter((_, index) => commands[index]?.[2] === '-e' && commands[index]?.[3] === RELAY);
  return { all, relays: relays.map(({ pid }) => pid) };
}

/** Those of them that are still there. A network namespace is gone with its last process, unless it is mounted. */
async function survivors(before: readonly ProcessRecord[]): Promise<number[]> {
  expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain('nsfs');
  const now = await listProcesses();
  return before.flatMap(({ pid, started }) => (now.some((p) => p.pid === pid && p.started === started) ? [pid] : []));
}

/** Answers `/reach?port=N` with what came of an attempt, `/stream` bit by bit, and web sockets with their own words. */
const CURIOUS = `
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { connect } from 'node:net';
const attempt = (to) => new Promise((resolve) => {
  const socket = connect(to).once('connect', () => { socket.destroy(); resolve('connected'); })
    .once('error', (error) => resolve(error.code ?? error.errors?.[0]?.code));
});
const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x');
  if (url.pathname === '/reach') {
    const path = url.searchParams.get('path');
    response.end(await attempt(path ? { path } : { host: url.searchParams.get('host'), port: Number(url.searchParams.get('port')) }));
  } else if (url.pathname === '/stream') {
    response.write('first');
    server.once('go on', () => response.end(' second'));
  } else if (url.pathname === '/go-on') {
    response.end(String(server.emit('go on')));
  } else {
    let bytes = 0;
    for await (const chunk of request) bytes += chunk.length;
    response.end('commit ' + process.env.FORGEWAY_COMMIT_SHA + ' ' + bytes);
  }
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
  socket.on('data', (frame) => {
    const length = frame[1] & 127;
    const mask = frame.subarray(2, 6);
    const text = Buffer.from(frame.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]));
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
  });
});
server.listen(Number(process.env.PORT), process.env.LISTEN_ON);
`;

describe.each(modes)('the network of a preview ($name)', ({ probe }) => {
  let h: Harness;
  let gateway: Gateway;
  beforeAll(async () => {
    h = await createHarness({ probe });
    const routes = createPreviewRoutes({ store: h.store, queue: h.queue });
    gateway = await startGateway({
      ...{ host: '127.0.0.1', port: 0, domain: 'preview.localhost' },
      ...{ find: routes.find, opened: routes.opened, wake: routes.wake },
      ...{ links: createVisitorLinks(Buffer.alloc(32, 7)), log: pino({ level: 'silent' }) },
    });
  });
  afterAll(async () => {
    await gateway?.close();
    await h?.close();
  });

  const visit = (name: string, path: string, body?: Buffer) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { host: `${name}.preview.localhost` };
      const method = body === undefined ? 'GET' : 'POST';
      const where = { host: '127.0.0.1', port: gateway.port, path, headers, method, agent: false };
      request(where, resolve).once('error', reject).end(body);
    });
  const read = async (name: string, path: string, body?: Buffer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of await visit(name, path, body)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  };

  async function preview(number: number, listenOn = '127.0.0.1') {
    h.forge.config = `preview:\n  start: exec node server.mjs\n  env:\n    LISTEN_ON: "${listenOn}"\n`;
    const sha = await h.commit(`refs/heads/branch-${number}`, { 'server.mjs': CURIOUS });
    const id = await h.pullRequest(number, sha);
    await h.want(id, sha);
    const row = await h.settled(id, 'ready');
    return { id, sha, name: row.name, serving: row.driver_state.serving };
  }

  it('is its own loopback alone, through the gateway and its door, and leaves nothing', async () => {
    const ours = createServer((_request, response) => response.end('ours'));
    const everywhere = createServer((_request, response) => response.end('ours'));
    const [loopbackPort, everywherePort] = [await listening(ours), await listening(everywhere, '0.0.0.0')];
    const [one, two] = [await preview(1), await preview(2)];
    const { superuser } = h;
    const targets = [
      { host: '127.0.0.1', port: loopbackPort },
      { host: '127.0.0.1', port: everywherePort },
      { host: '127.0.0.1', port: Number(new URL(h.gitServer.url).port) },
      { host: '127.0.0.1', port: gateway.port },
      { host: '::1', port: gateway.port },
      { host: '127.0.0.1', port: two.serving?.port ?? 0 },
      superuser.host.startsWith('/')
        ? { path: `${superuser.host}/.s.PGSQL.${superuser.port}` }
        : { host: superuser.host, port: superuser.port },
      { path: two.serving?.door ?? '' },
      { path: one.serving?.door ?? '' },
      { host: '192.0.2.1', port: 80 },
    ];
    for (const target of targets) {
      const query = new URLSearchParams(
        Object.entries(target).map(([name, value]): [string, string] => [name, String(value)]),
      );
      const answer = await read(one.name, `/reach?${query}`);
      expect({ target, answer }).toEqual({
        target,
        answer: expect.stringMatching(/^(ECONNREFUSED|ENETUNREACH|ENOENT|EACCES|EADDRNOTAVAIL|EINVAL)$/),
      });
    }
    // It can connect where it may: to itself.
    expect(await read(one.name, `/reach?host=127.0.0.1&port=${one.serving?.port}`)).toBe('connected');
    // And we can where it could not, so it is the walls that refuse.
    expect(await fetch(`http://127.0.0.1:${loopbackPort}`).then((answer) => answer.text())).toBe('ours');
    expect(await open({ port: two.serving?.port ?? 0, door: null })).toBeUndefined();
    await Promise.all([close(ours), close(everywhere)]);

    expect(await read(one.name, '/', randomBytes(3_000_000))).toBe(`commit ${one.sha} 3000000`);
    expect(await read(two.name, '/')).toBe(`commit ${two.sha} 0`);

    const host = `${one.name}.preview.localhost`;
    expect(await echoOverWebSocket({ port: gateway.port, host, text: 'hello' })).toBe('hello');

    const stream = await visit(one.name, '/stream');
    const chunks = stream[Symbol.asyncIterator]();
    expect(String((await chunks.next()).value)).toBe('first');
    expect(await read(one.name, '/go-on')).toBe('true');
    expect(String((await chunks.next()).value)).toBe(' second');

    // One relay each; one that is killed is replaced, and the preview stays as it is.
    const running = await runningIn(h.sandboxes);
    expect(running.relays).toHaveLength(2);
    for (const pid of running.relays) process.kill(pid, 'SIGKILL');
    await eventually(async () => (await read(one.name, '/')) === `commit ${one.sha} 0`);
    expect((await h.row(one.id)).phase).toBe('ready');
    const replaced = await runningIn(h.sandboxes);

    const monitor = h.startMonitor({ sleepAfterMs: 0 });
    await h.settled(one.id, 'sleeping');
    await h.settled(two.id, 'sleeping');
    await monitor.stop();
    expect(await survivors([...running.all, ...replaced.all])).toEqual([]);
    await expect(access(one.serving?.door ?? '')).rejects.toMatchObject({ code: 'ENOENT' });
    await eventually(async () => (await visit(one.name, '/')).statusCode === 503);
    await h.settled(one.id, 'ready');
    await eventually(async () => (await read(one.name, '/')) === `commit ${one.sha} 0`);

    const awake = await runningIn(h.sandboxes);
    expect(awake.relays).toHaveLength(1);
    for (const { id } of [one, two]) {
      await h.wantNone(id);
      await h.settled(id, 'gone');
    }
    expect(await h.sandboxes.list()).toEqual([]);
    expect(await readdir(join(h.directory, 'work/sandboxes'))).toEqual([]);
    expect(await survivors(awake.all)).toEqual([]);
  });

  it('reaches a server that listens on ::1 only', async () => {
    const { id, sha, name } = await preview(3, '::1');
    expect(await read(name, '/')).toBe(`commit ${sha} 0`);
    await h.wantNone(id);
    await h.settled(id, 'gone');
  });
});

describe.each(modes)('the network of a build ($name)', ({ probe }) => {
  let place: TestSandboxes;
  const started: Sandbox[] = [];
  beforeAll(async () => {
    place = await openTestSandboxes(probe);
  });
  afterEach(async () => {
    for (const sandbox of started.splice(0)) await place.sandboxes.destroy(sandbox);
  });
  afterAll(() => place.remove());

  async function run(
    script: string,
    network: SandboxNetwork,
    o: { files?: Record<string, string>; prepare?: (egress: string) => Promise<{ close(): Promise<void> }> } = {},
  ): Promise<{ code: number | null; log: string }> {
    const { sandboxes } = place;
    const created = await sandboxes.create(`test-${randomBytes(6).toString('hex')}`);
    started.push(created);
    await mkdir(sandboxes.sourceDirectory(created.id));
    for (const [name, text] of Object.entries(o.files ?? {}))
      await writeFile(join(sandboxes.sourceDirectory(created.id), name), text);
    await sandboxes.handOver(created);
    const egress = await o.prepare?.(sandboxes.egressOf(created.id) ?? '');
    const home = '/workspace/home';
    const facts = {
      home,
      tmp: '/tmp',
      programs: sandboxes.programs,
      port: 0,
      sha: 'a'.repeat(40),
      subject: { kind: 'pull-request' as const, number: 7 },
    };
    const running = await sandboxes.start(created, {
      argv: ['/bin/sh', '-e', '-c', script],
      env: { ...cleanEnvironment({ ...facts, extra: {} }), ...(network.kind === 'egress' ? EGRESS_ENVIRONMENT : {}) },
      ...{ cwd: 'source', seconds: 120, network },
    });
    for (;;) {
      const exit = await sandboxes.exitOf(running);
      if (exit !== undefined) {
        await egress?.close();
        return { code: exit.code, log: await sandboxes.logTail(created.id, 100) };
      }
      await sleep(50);
    }
  }

  /** Asks the proxy, and prints what it says. */
  const ASK = `
import { request } from 'node:http';
for (const [method, path] of JSON.parse(process.argv[2])) {
  await new Promise((done) => {
    const asked = request({ host: '127.0.0.1', port: ${EGRESS_PORT}, method, path, agent: false, headers: { host: 'x' } });
    asked.once('response', async (answer) => {
      let text = '';
      for await (const chunk of answer) text += chunk;
      console.log(method, path, answer.statusCode, text.trim());
      done();
    });
    asked.once('connect', (answer, socket) => {
      if (answer.statusCode !== 200) { console.log(method, path, answer.statusCode); socket.destroy(); return done(); }
      let text = '';
      socket.on('data', (chunk) => (text += chunk)).once('end', () => { console.log(method, path, text.split('\\r\\n').at(-1)); done(); });
      socket.write('GET /through HTTP/1.0\\r\\n\\r\\n');
    });
    asked.once('error', (error) => { console.log(method, path, error.code); done(); });
    asked.end();
  });
}`;

  it('is this machine’s where it is shared, and nothing where there is none', async () => {
    const ours = createServer((_request, response) => response.end('ours'));
    const port = await listening(ours);
    const script = `node -e 'fetch("http://127.0.0.1:${port}").then((a) => a.text()).then(console.log, (e) => console.log(e.cause.code))'`;
    expect((await run(script, { kind: 'shared' })).log).toBe('ours');
    expect((await run(script, { kind: 'none' })).log).toBe('ECONNREFUSED');
    expect((await run('ls /proc/sys/net/ipv4/conf', { kind: 'none' })).log.split(/\s+/).sort()).toEqual([
      'all',
      'default',
      'lo',
    ]);
    await close(ours);
  });

  it('reaches public addresses only, by name or number, whatever a name means', async () => {
    const ours = createServer((_request, response) => response.end('ours'));
    const port = await listening(ours);
    const asked: [string, string][] = [
      ['GET', `http://127.0.0.1:${port}/`],
      ['GET', `http://[::1]:${port}/`],
      ['GET', `http://[::ffff:127.0.0.1]:${port}/`],
      ['GET', `http://2130706433:${port}/`],
      ['GET', `http://localhost:${port}/`],
      ['GET', `http://inside.test:${port}/`],
      ['CONNECT', `127.0.0.1:${port}`],
      ['CONNECT', `0x7f000001:${port}`],
      ['CONNECT', `[::1]:${port}`],
      ['CONNECT', `localhost:${port}`],
      ['CONNECT', '169.254.169.254:80'],
      ['CONNECT', 'inside.test:443'],
      ['CONNECT', 'nonsense'],
      ['GET', '/'],
    ];
    const names = async (host: string) =>
      host === 'inside.test' ? [{ address: '10.1.2.3', family: 4 }] : [{ address: '127.0.0.1', family: 4 }];
    const { log } = await run(
      `node ask.mjs '${JSON.stringify(asked)}'`,
      { kind: 'egress' },
      {
        files: { 'ask.mjs': ASK },
        prepare: (path) => openEgress({ path, resolve: names }),
      },
    );
    await close(ours);
    const statuses = log.split('\n').map((line) => line.split(' ')[2]);
    expect({ statuses, log }).toEqual({ statuses: [...Array(12).fill('403'), '400', '400'], log });
    expect(log).not.toContain('ours');
  });

  it('carries both kinds of request, and nothing of it is left', async () => {
    const ours = createServer((request, response) => response.end(`ours ${request.url} ${request.headers.host}`));
    const port = await listening(ours);
    const asked = [
      ['GET', `http://registry.test:${port}/a?b=1`],
      ['CONNECT', `registry.test:${port}`],
      ['GET', 'http://registry.test:1/'],
    ];
    const { log } = await run(
      `node ask.mjs '${JSON.stringify(asked)}'; ls -d /.forgeway/* || true`,
      { kind: 'egress' },
      {
        files: { 'ask.mjs': ASK },
        prepare: (path) =>
          openEgress({
            path,
            isAllowed: (address) => address === '127.0.0.1',
            resolve: async () => [{ address: '127.0.0.1', family: 4 }],
          }),
      },
    );
    await close(ours);
    expect(log).toContain(`GET http://registry.test:${port}/a?b=1 200 ours /a?b=1 registry.test:${port}`);
    expect(log).toMatch(/^CONNECT registry\.test:\d+ ours \/through/m);
    expect(log).toMatch(/^GET http:\/\/registry\.test:1\/ 502/m);
    for (const sandbox of started.splice(0)) await place.sandboxes.destroy(sandbox);
    expect(await readdir(join(place.directory, 'sandboxes'))).toEqual([]);
  });

  it('lets `npm ci` fetch a package', async () => {
    const packed = await mkdtemp(join(tmpdir(), 'forgeway-package-'));
    await mkdir(join(packed, 'package'));
    await writeFile(join(packed, 'package/package.json'), '{"name":"tiny","version":"1.0.0","main":"index.js"}');
    await writeFile(join(packed, 'package/index.js'), 'module.exports = "from the registry";');
    expect((await runTool('tar', ['-C', packed, '-czf', join(packed, 'tiny.tgz'), 'package'])).code).toBe(0);
    const archive = await readFile(join(packed, 'tiny.tgz'));
    await rm(packed, { recursive: true });
    const registry = createServer((_request, response) => response.end(archive));
    const port = await listening(registry);
    const resolved = `http://registry.test:${port}/tiny-1.0.0.tgz`;
    const lock = {
      ...{ name: 'app', version: '1.0.0', lockfileVersion: 3 },
      packages: {
        '': { name: 'app', version: '1.0.0', dependencies: { tiny: '1.0.0' } },
        'node_modules/tiny': { version: '1.0.0', resolved },
      },
    };
    const { code, log } = await run(
      `npm ci --no-audit --no-fund && node -p 'require("tiny")'`,
      { kind: 'egress' },
      {
        files: {
          'package.json': '{"name":"app","version":"1.0.0","dependencies":{"tiny":"1.0.0"}}',
          'package-lock.json': JSON.stringify(lock),
          '.npmrc': `registry=http://registry.test:${port}/\nupdate-notifier=false\n`,
        },
        prepare: (path) =>
          openEgress({ path, isAllowed: () => true, resolve: async () => [{ address: '127.0.0.1', family: 4 }] }),
      },
    );
    await close(registry);
    expect({ code, last: log.split('\n').at(-1) }).toEqual({ code: 0, last: 'from the registry' });
  });
});
