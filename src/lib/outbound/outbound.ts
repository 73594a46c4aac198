/**
 * The only way out of this process to hosts that users, forges or DNS name. What a URL says is checked before anything is
 * done; every answer of DNS is checked before one of them is connected to; and the address of the socket is checked again,
 * since only that one is true. A literal address never reaches a resolver, so each of the three is needed.
 */
import { lookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { Agent, buildConnector, type Dispatcher, Pool, ProxyAgent, fetch as undiciFetch } from 'undici';
import { createOutboundRules, type OutboundRules, type Places, parseTarget, placesOf } from './rules.js';

export interface OutboundProxy {
  /** `http:` or `https:`, without user name and password. */
  url: string;
  /** `user:password`. */
  credentials?: string;
}

/** How one host is reached, where that is not as usual. */
export interface OutboundRoute {
  /** PEM of the only certificates that are trusted. */
  ca?: string;
  proxy?: OutboundProxy;
}

export interface ResolvedAddress {
  address: string;
  family: number;
}
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** Where a program that connects by itself has to go, such as git. */
export interface PinnedTarget {
  hostname: string;
  port: number;
  /** Checked; empty where the host is an address itself, or where a proxy connects to it. */
  addresses: readonly string[];
  proxy?: { proxy: OutboundProxy; hostname: string; port: number; addresses: readonly string[] };
}

export interface Outbound {
  /**
   * Sends one request; a redirect is an answer like any other, and never followed.
   * @throws ForgewayError FORGEWAY_ADDRESS_REFUSED, or what the network did
   */
  fetch(url: string, init?: RequestInit, route?: OutboundRoute): Promise<Response>;
  /**
   * Resolves and checks a host for a program that connects by itself.
   * @throws ForgewayError FORGEWAY_ADDRESS_REFUSED, or what DNS did
   */
  pin(url: string, route?: OutboundRoute): Promise<PinnedTarget>;
  /** What can be refused without asking anybody. @throws ForgewayError FORGEWAY_ADDRESS_REFUSED */
  check(url: string): void;
  close(): Promise<void>;
}

export interface OutboundOptions {
  /** Networks, addresses and hosts that are allowed although they are private. */
  allowed: readonly string[];
  /** Where this server is reached itself. */
  ownUrl?: string | undefined;
  /** The administrator's, for every connection that has none of its own. Where it is was decided by the administrator. */
  proxy?: OutboundProxy | undefined;
  /** Reached without {@link proxy}. */
  withoutProxy?: readonly string[];
  /** Every address of a name; the machine's resolver unless a test says otherwise. */
  resolve?: Resolve;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Connections with a route of their own that keep sockets open; the one unused longest gives way. */
const MOST_ROUTES = 64;

const resolveByMachine: Resolve = (hostname) => lookup(hostname, { all: true });

const noAddress = (hostname: string) =>
  Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname });

export function createOutbound(o: OutboundOptions): Outbound {
  const resolve = o.resolve ?? resolveByMachine;
  const rules = createOutboundRules(o);
  const direct: Places = placesOf(o.withoutProxy ?? []);
  // Named by the administrator, and so allowed wherever it is; only for the connection to the proxy itself.
  const proxyHost = o.proxy === undefined ? [] : [new URL(o.proxy.url).hostname.replace(/^\[|\]$/g, '')];
  const proxyRules = createOutboundRules({ allowed: [...o.allowed, ...proxyHost] });
  const dispatchers = new Map<string, Dispatcher>();

  /** All of them must be allowed: which one is connected to is not ours to choose. */
  const addressesOf = async (hostname: string, by: OutboundRules): Promise<readonly ResolvedAddress[]> => {
    const found = await resolve(hostname);
    if (found.length === 0) throw noAddress(hostname);
    for (const { address } of found) by.checkAddress(hostname, address);
    return found;
  };

  const connectorFor = (by: OutboundRules, ca: string | undefined): buildConnector.connector => {
    const checkedLookup: LookupFunction = (hostname, options, done) => {
      addressesOf(hostname.replace(/\.$/, ''), by).then(
        (found) => {
          const [first] = found;
          if (options.all) done(null, [...found]);
          else if (first !== undefined) done(null, first.address, first.family);
        },
        (error: NodeJS.ErrnoException) => done(error, ''),
      );
    };
    const connect = buildConnector({
      timeout: CONNECT_TIMEOUT_MS,
      ...(ca !== undefined && { ca }),
      ...{ lookup: checkedLookup, autoSelectFamily: true },
    });
    return (options, callback) => {
      const origin = `${options.protocol}//${options.host ?? options.hostname}`;
      let hostname: string;
      try {
        hostname = by.checkUrl(new URL(origin)).hostname;
      } catch (error) {
        callback(error as Error, null);
        return;
      }
      connect(options, (...[error, socket]) => {
        if (error !== null || socket === null) return callback(error ?? noAddress(hostname), null);
        try {
          by.checkAddress(hostname, socket.remoteAddress ?? '');
        } catch (refusal) {
          socket.destroy();
          return callback(refusal as Error, null);
        }
        return callback(null, socket);
      });
    };
  };

  const proxied = ({ url, credentials }: OutboundProxy, by: OutboundRules, ca: string | undefined): Dispatcher =>
    new ProxyAgent({
      uri: new URL(url).origin,
      ...(credentials !== undefined && { token: `Basic ${Buffer.from(credentials).toString('base64')}` }),
      ...(ca !== undefined && { requestTls: { ca } }),
      clientFactory: (origin) => new Pool(origin, { connect: connectorFor(by, undefined) }),
    });

  const proxyFor = (hostname: string, route: OutboundRoute | undefined) => {
    const own = route?.proxy;
    if (own === undefined && (o.proxy === undefined || direct.hasName(hostname) || direct.hasAddress(hostname)))
      return undefined;
    const proxy = own ?? o.proxy;
    const by = own === undefined ? proxyRules : rules;
    return proxy && { proxy, by, at: by.checkUrl(parseTarget(proxy.url)) };
  };

  const dispatcherFor = (chosen: ReturnType<typeof proxyFor>, ca: string | undefined): Dispatcher => {
    const key = JSON.stringify([chosen?.proxy.url, chosen?.proxy.credentials, chosen?.by === proxyRules, ca]);
    const known = dispatchers.get(key);
    const dispatcher =
      known ??
      (chosen === undefined ? new Agent({ connect: connectorFor(rules, ca) }) : proxied(chosen.proxy, chosen.by, ca));
    dispatchers.delete(key);
    dispatchers.set(key, dispatcher);
    const [oldest] = dispatchers.keys();
    if (dispatchers.size > MOST_ROUTES && oldest !== undefined) {
      void dispatchers.get(oldest)?.close();
      dispatchers.delete(oldest);
    }
    return dispatcher;
  };

  /**
   * What a proxy is asked to connect to. A host that the administrator named need not be known to our own resolver, which
   * in some networks only the proxy's is.
   */
  const checkBehindProxy = async ({ hostname, isAddress }: ReturnType<OutboundRules['checkUrl']>): Promise<void> => {
    if (!isAddress && !rules.isNamed(hostname)) await addressesOf(hostname, rules);
  };

  return {
    check: (url) => void rules.checkUrl(parseTarget(url)),

    async fetch(text, init, route) {
      const url = parseTarget(text);
      const target = rules.checkUrl(url);
      const proxy = proxyFor(target.hostname, route);
      if (proxy !== undefined) await checkBehindProxy(target);
      const dispatcher = dispatcherFor(proxy, route?.ca);
      try {
        return await send(url, init, dispatcher);
      } catch (error) {
        throw refusalBehind(error) ?? error;
      }
    },

    async pin(text, route) {
      const url = parseTarget(text);
      const target = rules.checkUrl(url);
      const { hostname, port, isAddress } = target;
      const chosen = proxyFor(hostname, route);
      if (chosen === undefined) {
        const found = isAddress ? [] : await addressesOf(hostname, rules);
        return { hostname, port, addresses: found.map(({ address }) => address) };
      }
      await checkBehindProxy(target);
      const { proxy, by, at } = chosen;
      const found = at.isAddress ? [] : await addressesOf(at.hostname, by);
      return {
        ...{ hostname, port, addresses: [] },
        proxy: { proxy, hostname: at.hostname, port: at.port, addresses: found.map(({ address }) => address) },
      };
    },

    async close() {
      const open = [...dispatchers.values()];
      dispatchers.clear();
      await Promise.all(open.map((dispatcher) => dispatcher.close()));
    },
  };
}

/**
 * By the fetch of the same package as its dispatchers: Node's own is another version of it. Both mean the same by their types,
 * and know each other's bodies but for forms.
 */
async function send(url: URL, init: RequestInit | undefined, dispatcher: Dispatcher): Promise<Response> {
  let given = init;
  if (init?.body instanceof FormData) {
    const form = new Response(init.body);
    const headers = new Headers(init.headers);
    headers.set('content-type', form.headers.get('content-type') ?? '');
    given = { ...init, headers, body: await form.arrayBuffer() };
  }
  const options = { redirect: 'manual', ...given, dispatcher } as unknown as Parameters<typeof undiciFetch>[1];
  return (await undiciFetch(url, options)) as unknown as Response;
}

const MAX_CAUSES = 5;

/** Our refusal, wherever in the chain of causes: `fetch` wraps what its connector throws. */
function refusalBehind(error: unknown): object | undefined {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && typeof current === 'object' && current !== null; depth += 1) {
    // By its shape: it may have passed through code of another realm.
    if ('code' in current && current.code === 'FORGEWAY_ADDRESS_REFUSED') return current;
    current = 'cause' in current ? current.cause : undefined;
  }
  return undefined;
}
