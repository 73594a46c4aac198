/**
 * How a cluster is reached and who we are there: from a kubeconfig file, from the pod that we run in, or from a kubeconfig
 * that an organization gave. The last is a stranger's text, and may name no file, no program and no proxy of this machine.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { z } from 'zod';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { keepSecret } from '../../lib/known-secrets.js';

export type ClusterSource =
  /** Of the administrator: `path` may name several files as KUBECONFIG does; without it the usual places are looked at. */
  | { kind: 'file'; path?: string | undefined; context?: string | undefined }
  /** The service account of our own pod. */
  | { kind: 'in-cluster' }
  /** Of an organization, opened from the vault. */
  | { kind: 'given'; kubeconfig: string };

/** Everything that one connection needs; read again from time to time, since tokens are renewed. */
export interface Credentials {
  headers: Readonly<Record<string, string>>;
  tls: {
    ca?: string | Buffer | undefined;
    cert?: string | Buffer | undefined;
    key?: string | Buffer | undefined;
    servername?: string | undefined;
    rejectUnauthorized?: boolean | undefined;
  };
}

export interface ClusterConnection {
  server: URL;
  /** Whether the address was given by an organization, and has to be checked before it is connected to. */
  guarded: boolean;
  credentials(): Promise<Credentials>;
}

const refused = (problem: string, cause?: unknown) =>
  new ForgewayError('FORGEWAY_CLUSTER_UNUSABLE', `The cluster’s connection cannot be used: ${problem}.`, { cause });

const base64 = z
  .string()
  .max(64 * 1024)
  .regex(/^[A-Za-z0-9+/=\s]*$/, 'is not base64');
/** Only what stands in the text itself. What is not listed is refused, so that nothing is left out silently. */
const given = z.strictObject({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  preferences: z.unknown().optional(),
  extensions: z.unknown().optional(),
  'current-context': z.string(),
  clusters: z
    .array(
      z.object({
        name: z.string(),
        cluster: z.strictObject({
          server: z.url({ protocol: /^https$/, error: 'must be an address with https' }),
          'certificate-authority-data': base64.optional(),
          'tls-server-name': z.string().max(253).optional(),
          extensions: z.unknown().optional(),
        }),
      }),
    )
    .max(20),
  contexts: z
    .array(
      z.object({
        name: z.string(),
        context: z.object({ cluster: z.string(), user: z.string(), namespace: z.string().optional() }),
      }),
    )
    .max(20),
  users: z
    .array(
      z.object({
        name: z.string(),
        user: z.strictObject({
          token: z.string().max(16_384).optional(),
          'client-certificate-data': base64.optional(),
          'client-key-data': base64.optional(),
        }),
      }),
    )
    .max(20),
});

/**
 * Checks a kubeconfig that somebody gave us.
 * @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE that says what may not stand in it
 */
export function readGivenKubeconfig(text: string): KubeConfig {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0, schema: 'core' });
  } catch (error) {
    throw refused(`it is no YAML (${messageOf(error).split('\n')[0]})`);
  }
  const parsed = given.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => `${[...issue.path, key].join('.')} may not be used here: give the data itself`)
        : [`${issue.path.join('.') || 'it'} ${issue.message}`],
    );
    throw refused(problems.slice(0, 5).join('; '));
  }
  const file = parsed.data;
  const context = file.contexts.find(({ name }) => name === file['current-context'])?.context;
  const cluster = file.clusters.find(({ name }) => name === context?.cluster)?.cluster;
  const user = file.users.find(({ name }) => name === context?.user)?.user;
  if (context === undefined || cluster === undefined || user === undefined)
    throw refused('its current-context names no cluster and user of the file');
  if (user.token === undefined && user['client-key-data'] === undefined)
    throw refused('its user has neither a token nor a client certificate');
  for (const secret of [user.token, user['client-key-data']]) if (secret !== undefined) keepSecret(secret);
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [
      {
        name: 'given',
        server: cluster.server,
        caData: cluster['certificate-authority-data'],
        skipTLSVerify: false,
        tlsServerName: cluster['tls-server-name'],
      },
    ],
    users: [
      {
        name: 'given',
        token: user.token,
        certData: user['client-certificate-data'],
        keyData: user['client-key-data'],
      },
    ],
    contexts: [{ name: 'given', cluster: 'given', user: 'given' }],
    currentContext: 'given',
  });
  return config;
}

function fileConfig(path: string | undefined, context: string | undefined): KubeConfig {
  const files = (path ?? join(homedir(), '.kube', 'config')).split(delimiter).filter((file) => file !== '');
  const [first, ...others] = files.filter(existsSync);
  if (first === undefined) throw refused(`there is no file ${files.join(' or ')}`);
  const config = new KubeConfig();
  config.loadFromFile(first);
  for (const file of others) {
    const more = new KubeConfig();
    more.loadFromFile(file);
    config.mergeConfig(more, true);
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null) throw refused(`the kubeconfig has no context ${context}`);
    config.setCurrentContext(context);
  }
  return config;
}

function load(source: ClusterSource): KubeConfig {
  if (source.kind === 'given') return readGivenKubeconfig(source.kubeconfig);
  try {
    if (source.kind === 'file') return fileConfig(source.path, source.context);
    const config = new KubeConfig();
    config.loadFromCluster();
    return config;
  } catch (error) {
    if (error instanceof ForgewayError) throw error;
    throw refused(messageOf(error), error);
  }
}

const CREDENTIALS_MS = 30_000;

/**
 * Opens a connection; nothing is asked of the cluster yet.
 * @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE
 */
export function openConnection(source: ClusterSource): ClusterConnection {
  const config = load(source);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw refused('it names no cluster');
  let server: URL;
  try {
    server = new URL(cluster.server);
  } catch {
    throw refused(`${cluster.server} is no address`);
  }
  // A plain address gives credentials away to whoever listens; only this machine may be reached so.
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(server.hostname);
  if (server.protocol !== 'https:' && !isLocal) throw refused(`${server.origin} is not https`);
  if (cluster.proxyUrl !== undefined) throw refused('it names a proxy; clusters are reached directly');
  // The client refuses plain addresses unless this is set; without TLS it means nothing else.
  if (server.protocol === 'http:') Object.assign(cluster, { skipTLSVerify: true });
  const kept: { at: number; credentials?: Promise<Credentials> } = { at: Number.NEGATIVE_INFINITY };

  async function read(): Promise<Credentials> {
    const options: Parameters<KubeConfig['applyToHTTPSOptions']>[0] & { servername?: string } = { headers: {} };
    try {
      await config.applyToHTTPSOptions(options);
    } catch (error) {
      throw refused(messageOf(error), error);
    }
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value);
    if (options.auth) headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    if (headers.authorization !== undefined) keepSecret(headers.authorization.replace(/^\w+ /, ''));
    const { ca, cert, key, servername, rejectUnauthorized } = options as Credentials['tls'];
    return { headers, tls: { ca, cert, key, servername, rejectUnauthorized } };
  }

  return {
    server,
    guarded: source.kind === 'given',
    credentials() {
      const now = performance.now();
      if (kept.credentials === undefined || now - kept.at > CREDENTIALS_MS) {
        kept.at = now;
        kept.credentials = read();
        kept.credentials.catch(() => {
          kept.credentials = undefined;
        });
      }
      return kept.credentials;
    },
  };
}
