import { isIP } from 'node:net';
import { z } from 'zod';
import { ALLOWED_NETWORKS_SETTING, isPlace } from '../lib/outbound/rules.js';
import { agentVariables } from './agent-variables.js';
import { readMasterKey, weaknessOf } from './master-key.js';
import { runVariables } from './run-variables.js';
import type { Variable } from './variable.js';

export type { Variable } from './variable.js';

const port = z.coerce.number().int().min(0).max(65_535);
const positive = z.coerce.number().int().positive();
const limit = z.coerce.number().int().min(0);
const url = z.url({ protocol: /^https?$/ }).transform((value) => value.replace(/\/+$/, ''));
const flag = z
  .enum(['true', 'false', '1', '0', 'yes', 'no'])
  .transform((value) => value === 'true' || value === '1' || value === 'yes');

const NOT_A_KEY = 'must be 32 bytes in base64 or hex';

/** Networks, addresses and host names, with commas or spaces between them. */
const places = z.string().transform((value, context): readonly string[] => {
  const entries = value.split(/[\s,]+/).filter((entry) => entry !== '');
  for (const [index, entry] of entries.entries())
    if (!isPlace(entry))
      context.addIssue({ code: 'custom', message: `has an entry that is none as number ${index + 1}` });
  return entries;
});

/** 32 bytes, given as base64, base64url or hex; what no random key ever looks like is refused. */
const encryptionKey = z.string().transform((value, context): Buffer => {
  const text = value.trim();
  const key = readMasterKey(text);
  const problem = key === undefined ? NOT_A_KEY : weaknessOf(key, text);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  return key ?? Buffer.alloc(0);
});

/** Weak ones too: they open what they sealed, and giving them here is the way to leave them behind. */
const earlierKeys = z.string().transform((value, context): readonly Buffer[] =>
  value
    .split(/[\s,]+/)
    .filter((text) => text !== '')
    .map((text, index) => {
      const key = readMasterKey(text);
      if (key === undefined)
        context.addIssue({ code: 'custom', message: `holds something else as number ${index + 1}: each ${NOT_A_KEY}` });
      return key ?? Buffer.alloc(0);
    }),
);

const addressRanges = z
  .string()
  .transform((value) =>
    value
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== ''),
  )
  .refine(
    (ranges) =>
      ranges.every((range) => {
        const [address = '', length, ...rest] = range.split('/');
        const most = isIP(address) === 6 ? 128 : 32;
        return (
          isIP(address) !== 0 &&
          rest.length === 0 &&
          (length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= most))
        );
      }),
    'holds something that is no address and no range',
  );

/** `docs/configuration.md` is generated from this table. */
export const variables = {
  appId: {
    name: 'APP_ID',
    meaning:
      'Id of the default GitHub App. Without it Forgeway starts in setup mode and accepts no webhooks of GitHub; other forges need no App.',
    schema: z.coerce.number().int().positive(),
    fix: 'Copy the number from the App’s settings page.',
  },
  privateKey: {
    name: 'PRIVATE_KEY',
    meaning: 'The App’s private key as PEM, with real or escaped newlines, or base64 of the PEM.',
    secret: true,
    schema: z.string().transform((value, context) => {
      const text = value.includes('-----BEGIN') ? value : Buffer.from(value, 'base64').toString('utf8');
      const pem = text.replaceAll('\\n', '\n').trim();
      if (!/^-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+-----END [A-Z ]*PRIVATE KEY-----$/.test(pem))
        context.addIssue({ code: 'custom', message: 'is not a PEM private key' });
      return `${pem}\n`;
    }),
    fix: 'Download a new private key on the App’s settings page and paste the whole file.',
  },
  privateKeyPath: {
    name: 'PRIVATE_KEY_PATH',
    meaning: 'A file that holds the private key, instead of PRIVATE_KEY.',
    schema: z.string().min(1),
    fix: 'Name a readable PEM file.',
  },
  webhookSecret: {
    name: 'WEBHOOK_SECRET',
    aliases: ['TERRAPOD_VCS__GITHUB__WEBHOOK_SECRET'],
    meaning: 'The App’s webhook secret, 16 characters or more. Without it the webhook endpoint stays closed.',
    secret: true,
    schema: z
      .string()
      .min(16, 'has fewer than 16 characters')
      .refine((value) => value !== 'development', 'is Probot’s public default'),
    fix: 'Set the same random text (16 characters or more) here and in the App’s settings, e.g. from `openssl rand -hex 32`.',
  },
  gheHost: {
    name: 'GHE_HOST',
    meaning: 'Host (and port) of a GitHub Enterprise Server, instead of github.com.',
    schema: z.string().regex(/^[A-Za-z0-9.-]+(:\d{1,5})?$/, 'must be a host name without a scheme'),
    fix: 'Write only the host, as in `ghe.example.com`.',
  },
  gheProtocol: {
    name: 'GHE_PROTOCOL',
    meaning: 'Scheme of GHE_HOST.',
    default: 'https',
    schema: z.enum(['http', 'https']),
    fix: 'Use `https`, or `http` for a server on this machine.',
  },
  host: {
    name: 'HOST',
    meaning: 'Address to listen on.',
    default: '127.0.0.1',
    schema: z.string().min(1),
    fix: 'Use 0.0.0.0 to listen on every interface.',
  },
  port: {
    name: 'PORT',
    meaning: 'Port of the server (0 picks a free one).',
    default: '3000',
    schema: port,
    fix: 'Use a number from 0 to 65535.',
  },
  healthPort: {
    name: 'HEALTH_PORT',
    meaning: 'Also serve /healthz, /readyz and /metrics here, so that they answer when ingress is overloaded.',
    schema: port,
    fix: 'Use a number from 0 to 65535.',
  },
  publicUrl: {
    name: 'PUBLIC_URL',
    meaning: 'Where forges and people reach this server.',
    schema: url,
    fix: 'Write it whole, as in `https://forgeway.example.com`.',
  },
  allowedPrivateNetworks: {
    name: ALLOWED_NETWORKS_SETTING,
    meaning:
      'Private networks, addresses and hosts that forges may be at, with commas between them: `10.0.0.0/8`, `git.internal` or `*.internal`. Without it only public addresses are connected to; metadata services of clouds never are.',
    default: '',
    schema: places,
    fix: 'Write networks, addresses and host names without scheme and port, as in `10.0.0.0/8,git.internal`.',
  },
  outboundProxy: {
    name: 'OUTBOUND_PROXY',
    meaning:
      'HTTP proxy that forges are reached through, with user name and password where it wants them. A connection may have one of its own. HTTP_PROXY and HTTPS_PROXY are not read.',
    secret: true,
    schema: url.transform((value) => new URL(value)),
    fix: 'Write it as `http://user:password@proxy.example.com:3128`.',
  },
  outboundNoProxy: {
    name: 'OUTBOUND_NO_PROXY',
    meaning: 'Hosts and addresses that are reached without OUTBOUND_PROXY, written like ALLOWED_PRIVATE_NETWORKS.',
    default: '',
    schema: places,
    fix: 'Write networks, addresses and host names without scheme and port, as in `10.0.0.0/8,git.internal`.',
  },
  databaseUrl: {
    name: 'DATABASE_URL',
    meaning: 'PostgreSQL 13 or newer, as the user that owns the schema. Without it an embedded one is started.',
    secret: true,
    schema: z.string().regex(/^postgres(ql)?:\/\//, 'must start with postgresql://'),
    fix: 'Write it as `postgresql://user:password@host:5432/forgeway`.',
  },
  redisUrl: {
    name: 'REDIS_URL',
    meaning: 'Run feature jobs on Redis instead of PostgreSQL.',
    secret: true,
    schema: z.string().regex(/^rediss?:\/\//, 'must start with redis://'),
    fix: 'Write it as `redis://host:6379`.',
  },
  encryptionKey: {
    name: 'FORGEWAY_ENCRYPTION_KEY',
    aliases: ['GIT_TOKEN_ENCRYPTION_KEY', 'TERRAPOD_ENCRYPTION__KEY'],
    meaning: 'Master key for stored secrets: 32 random bytes, base64 or hex. Made once for the embedded database.',
    secret: true,
    schema: encryptionKey,
    fix: 'Make one with `openssl rand -base64 32` and keep it safe. To change the key of a database: docs/guides/rotating-keys.md.',
  },
  encryptionKeysPrevious: {
    name: 'FORGEWAY_ENCRYPTION_KEYS_PREVIOUS',
    meaning:
      'Earlier master keys, separated by commas, in any order. They only open what is not rotated yet; see guides/rotating-keys.md.',
    secret: true,
    schema: earlierKeys,
    fix: 'Write each as it stood in FORGEWAY_ENCRYPTION_KEY, with commas between them.',
  },
  dataDir: {
    name: 'FORGEWAY_DATA_DIR',
    meaning: 'Where the embedded database, repository copies and logs are kept.',
    defaultNote: '/var/lib/forgeway as root, else ~/.local/share/forgeway',
    schema: z.string().startsWith('/'),
    fix: 'Use an absolute path.',
  },
  logLevel: {
    name: 'LOG_LEVEL',
    meaning: 'Least important level that is logged.',
    default: 'info',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    fix: 'Use trace, debug, info, warn, error, fatal or silent.',
  },
  logFormat: {
    name: 'LOG_FORMAT',
    meaning: '`json` or `pretty`.',
    defaultNote: 'pretty on a terminal, else json',
    schema: z.enum(['json', 'pretty']),
    fix: 'Use json or pretty.',
  },
  retentionDays: {
    name: 'RETENTION_DAYS',
    meaning: 'How long finished deliveries keep their raw body.',
    default: '14',
    schema: positive,
    fix: 'Use a whole number of days.',
  },
  inboxMaxDepth: {
    name: 'INBOX_MAX_DEPTH',
    meaning:
      'New deliveries are answered 503 while more than this wait to be run; 0 for no limit. What waits for a retry or for a forge that is down does not count.',
    default: '200000',
    schema: limit,
    fix: 'Use a whole number; 200000 deliveries of 20 kB are 4 GB of disk.',
  },
  inboxMaxAgeMinutes: {
    name: 'INBOX_MAX_AGE_MINUTES',
    meaning:
      'New deliveries are answered 503 while the oldest that could run has waited for longer; 0 for no limit. A day: what is stored can still be worked off, and what is refused may be lost where the forge does not send again.',
    default: '1440',
    schema: limit,
    fix: 'Use a whole number of minutes.',
  },
  ingressMaxLagMs: {
    name: 'INGRESS_MAX_LAG_MS',
    meaning: 'New deliveries are answered 503 while the server process is late by more than this; 0 for no limit.',
    default: '500',
    schema: limit,
    fix: 'Use a whole number of milliseconds.',
  },
  ingressConnectionsPerAddress: {
    name: 'INGRESS_CONNECTIONS_PER_ADDRESS',
    meaning:
      'Connections that one address may hold at a time; 0 for no limit. Loopback and private addresses are not limited: a proxy there speaks for everybody.',
    default: '256',
    schema: limit,
    fix: 'Use a whole number, or 0 behind a proxy with a public address.',
  },
  apiRequestsPerMinute: {
    name: 'API_REQUESTS_PER_MINUTE',
    meaning:
      'Requests to the API that one person, with all their tokens and sessions, or one token of an organization may send in a minute; as many may come at once. 0 for no limit.',
    default: '1200',
    schema: limit,
    fix: 'Use a whole number, or 0.',
  },
  apiAnonymousRequestsPerMinute: {
    name: 'API_ANONYMOUS_REQUESTS_PER_MINUTE',
    meaning:
      'The same for one address from which somebody asks without a token or a session, or with one that does not hold. 0 for no limit.',
    default: '120',
    schema: limit,
    fix: 'Use a whole number, or 0; behind a proxy set TRUSTED_PROXIES.',
  },
  trustedProxies: {
    name: 'TRUSTED_PROXIES',
    meaning:
      'Addresses or ranges of proxies in front, with commas between, whose `X-Forwarded-For` is believed when sign-ins and requests to the API are counted, and whose word apps with pages are given. Without it everybody behind a proxy counts as one.',
    default: '',
    schema: addressRanges,
    fix: 'Write them as `10.0.0.0/8,192.0.2.7`.',
  },
  workerProcesses: {
    name: 'WORKER_PROCESSES',
    meaning: 'Worker processes that `forgeway up` starts; 0 when workers run elsewhere with `forgeway work`.',
    default: '1',
    schema: z.coerce.number().int().min(0).max(64),
    fix: 'Use a number from 0 to 64.',
  },
  handlerTimeoutMs: {
    name: 'HANDLER_TIMEOUT_MS',
    meaning: 'How long one handler may hold its lane before it is parked, in milliseconds.',
    default: '60000',
    schema: positive,
    fix: 'Use a whole number of milliseconds.',
  },
  archiveMaxMb: {
    name: 'ARCHIVE_MAX_MB',
    meaning:
      'Largest archive of a repository (tarball, zipball) that an app or the facade gets, and largest configuration of a workspace, in MB. The former is held in memory while it is read, two at a time in each process.',
    default: '256',
    schema: z.coerce.number().int().min(1).max(2_000),
    fix: 'Use a whole number of megabytes from 1 to 2000.',
  },
  hookWatchSeconds: {
    name: 'HOOK_WATCH_SECONDS',
    meaning:
      'How often forges are asked which webhooks they could not deliver, and whether they switched one off; 0 never asks.',
    default: '60',
    schema: z.coerce.number().int().min(0).max(86_400),
    fix: 'Use a whole number of seconds, 0 to switch it off.',
  },
  pollIntervalSeconds: {
    name: 'POLL_INTERVAL_SECONDS',
    meaning:
      'How often each repository is asked what changed, so that no event is lost when a webhook is; an App’s repositories a fifth as often. 0: only when `forgeway poll` or `/api/cron/git-sync` asks for it.',
    default: '60',
    schema: z.coerce.number().int().min(0).max(86_400),
    fix: 'Use a number of seconds from 0 to 86400.',
  },
  cronSecret: {
    name: 'CRON_SECRET',
    meaning:
      'Opens `/api/cron/git-sync` for an external scheduler, 16 characters or more. Without it there is no such address.',
    secret: true,
    schema: z.string().min(16, 'has fewer than 16 characters'),
    fix: 'Set the same random text here and in the scheduler, e.g. from `openssl rand -hex 32`.',
  },
  previewDriver: {
    name: 'PREVIEW_DRIVER',
    meaning:
      '`process` runs pull requests on this machine, isolated; `kubernetes` runs them on a cluster; `off` runs nothing.',
    default: 'off',
    schema: z.enum(['off', 'process', 'kubernetes']),
    fix: 'Use off, process or kubernetes.',
  },
  previewCluster: {
    name: 'PREVIEW_CLUSTER',
    meaning:
      'How the cluster for previews is reached: `in-cluster` by the service account of Forgeway’s own pod, `kubeconfig` by KUBECONFIG, `auto` by the first of them that there is. An organization may have a cluster of its own (`forgeway clusters`).',
    default: 'auto',
    schema: z.enum(['auto', 'in-cluster', 'kubeconfig']),
    fix: 'Use auto, in-cluster or kubeconfig.',
  },
  kubeconfig: {
    name: 'KUBECONFIG',
    meaning:
      'Path of the kubeconfig, or several as kubectl takes them; without it the usual one of the home directory.',
    schema: z.string(),
    fix: 'Use the path of a file that Forgeway’s user may read.',
  },
  previewClusterContext: {
    name: 'PREVIEW_CLUSTER_CONTEXT',
    meaning: 'Context of the kubeconfig; without it the current one.',
    schema: z.string().max(253),
    fix: 'Use a name that `kubectl config get-contexts` shows.',
  },
  previewClusterSettings: {
    name: 'PREVIEW_CLUSTER_SETTINGS',
    meaning:
      'YAML file with what the operator says of previews on Kubernetes: domains, ways in, networks, registry, sizes (docs/guides/kubernetes-previews.md).',
    schema: z.string(),
    fix: 'Use the path of a file that Forgeway’s user may read.',
  },
  previewRegistryConfig: {
    name: 'PREVIEW_REGISTRY_CONFIG',
    meaning:
      'File with registry credentials, as `docker login` writes it, to push and pull the images of previews with.',
    schema: z.string(),
    fix: 'Use the path of a config.json that Forgeway’s user may read.',
  },
  previewBuildkitTls: {
    name: 'PREVIEW_BUILDKIT_TLS',
    meaning: 'Directory with ca.pem, cert.pem and key.pem, by which builds prove themselves to the BuildKit daemon.',
    schema: z.string(),
    fix: 'Use the path of a directory that Forgeway’s user may read.',
  },
  previewPort: {
    name: 'PREVIEW_PORT',
    meaning: 'Port of the listener that serves previews (0 picks a free one).',
    default: '3001',
    schema: port,
    fix: 'Use a number from 0 to 65535, not that of PORT.',
  },
  previewDomain: {
    name: 'PREVIEW_DOMAIN',
    meaning: 'Domain whose sub-domains are previews. Must not be the server’s own domain, so that cookies stay apart.',
    default: 'preview.localhost',
    schema: z.string().regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'must be a lower-case domain name'),
    fix: 'Use a domain of its own with a wildcard DNS record, as in `preview.example.net`.',
  },
  previewPublicUrl: {
    name: 'PREVIEW_PUBLIC_URL',
    meaning: 'Scheme and port at which people reach previews, when a proxy stands in front; the host is replaced.',
    schema: url,
    fix: 'Write it as `https://preview.example.net`.',
  },
  previewBuildNetwork: {
    name: 'PREVIEW_BUILD_NETWORK',
    meaning:
      'What a preview’s build may reach: `public` is the internet through a proxy (HTTP_PROXY and HTTPS_PROXY), never this machine or private addresses; `none` is nothing; `shared` is all that this machine can.',
    default: 'public',
    schema: z.enum(['public', 'none', 'shared']),
    fix: 'Use public, none or shared. A build that needs a registry at a private address, or tools without proxies, needs shared.',
  },
  previewBuildTimeoutSeconds: {
    name: 'PREVIEW_BUILD_TIMEOUT_SECONDS',
    meaning: 'Longest time a preview’s build may take.',
    default: '600',
    schema: positive,
    fix: 'Use a whole number of seconds.',
  },
  previewReadyTimeoutSeconds: {
    name: 'PREVIEW_READY_TIMEOUT_SECONDS',
    meaning: 'Longest time a preview may take to answer on its port.',
    default: '60',
    schema: positive,
    fix: 'Use a whole number of seconds.',
  },
  previewMemoryMb: {
    name: 'PREVIEW_MEMORY_MB',
    meaning: 'Memory of one preview, all its processes together, in MiB.',
    default: '1024',
    schema: positive,
    fix: 'Use a whole number of MiB.',
  },
  previewProcesses: {
    name: 'PREVIEW_PROCESSES',
    meaning: 'Processes and threads one preview may have.',
    default: '256',
    schema: positive,
    fix: 'Use a whole number.',
  },
  previewDiskMb: {
    name: 'PREVIEW_DISK_MB',
    meaning: 'Disk one preview may fill, in MiB.',
    default: '1024',
    schema: positive,
    fix: 'Use a whole number of MiB.',
  },
  previewLimit: {
    name: 'PREVIEW_LIMIT',
    meaning:
      'Previews that run on this machine at the same time; the one unused longest goes to sleep when another needs its place. Those on a cluster do not count.',
    default: '10',
    schema: positive,
    fix: 'Use a whole number.',
  },
  previewSleepMinutes: {
    name: 'PREVIEW_SLEEP_MINUTES',
    meaning: 'A preview that nobody opened for this long goes to sleep.',
    default: '60',
    schema: positive,
    fix: 'Use a whole number of minutes.',
  },
  previewRemoveHours: {
    name: 'PREVIEW_REMOVE_HOURS',
    meaning:
      'A preview that nobody opened and nothing was pushed to for this long is removed; a push or `/preview` brings it back.',
    default: '168',
    schema: positive,
    fix: 'Use a whole number of hours.',
  },
  previewOrganizationLimit: {
    name: 'PREVIEW_ORGANIZATION_LIMIT',
    meaning:
      'Previews that one organization may have, asleep or not, on this machine and on clusters; the next one waits until another is gone.',
    default: '50',
    schema: positive,
    fix: 'Use a whole number.',
  },
  ...runVariables,
  ...agentVariables,
  unsafeSameUser: {
    name: 'FORGEWAY_UNSAFE_SAME_USER',
    meaning:
      'Run previews and plans as Forgeway’s own user, without isolation. Only on a machine that holds nothing else.',
    default: 'false',
    schema: flag,
    fix: 'Use true or false.',
  },
} as const satisfies Record<string, Variable>;

export type VariableKey = keyof typeof variables;
