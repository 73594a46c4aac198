import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type pg from 'pg';
import type { ForgeDescriptor, WebhookHeaders } from '../forges/forge.js';
import { packBody } from '../inbox/packed-body.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import { accept, type Refusal, refuse } from './answers.js';
import { GroupCommit } from './group-commit.js';
import { createHookDirectory, type Entry, type HookRow, mayBeOutdated, type OpenHook } from './hooks.js';
import type { InboxRow } from './insert-statement.js';
import type { Overload } from './load.js';
import { createPathMatcher, type WebhookPath } from './paths.js';
import { BodyReader, type ReceptionLimits } from './reception.js';
import { release } from './release.js';
import { createWake } from './wake.js';

export type { HookRow } from './hooks.js';

export interface IngressLimits extends ReceptionLimits {
  /** How long a verified delivery may wait for its commit before it is answered 503. */
  commitMs: number;
}

export interface IngressOptions {
  /** Role forgeway_ingress, at least four connections: two batches, a notification, a hook that is looked up. */
  pool: pg.Pool;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  /** The secrets a hook's deliveries may be signed with, the current one first; empty when there is none. */
  secretsOf: (hook: HookRow) => Promise<readonly string[]>;
  log: Logger;
  metrics: Metrics;
  limits?: Partial<IngressLimits>;
  /** Why new deliveries are to be refused, if they are; asked before anything is read. */
  overload?: () => Overload | undefined;
}

export interface Ingress {
  /** Answers a webhook request; false, and untouched, when the path is not one of a webhook. */
  handle(req: IncomingMessage, res: ServerResponse): boolean;
  /** Resolves when every accepted body is committed or refused. Stop listening first. */
  close(): Promise<void>;
}

/**
 * For `http.createServer`: headers get ten seconds at most, also where many are late at once, and idle connections are let go.
 * Node looks only every 30 s unless told otherwise, and what is late is seen up to that much later. The whole-request timer is off, since a body has limits of its own with an answer of its own.
 */
export const ingressServerOptions = {
  headersTimeout: 8_000,
  requestTimeout: 0,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 1_000,
} as const;

const MIB = 1024 * 1024;
const DEFAULT_LIMITS: IngressLimits = {
  bodyBytes: 25 * MIB,
  stallMs: 5_000,
  // With its head and our own looking for late ones it is over after eight seconds.
  totalMs: 7_000,
  heldBytes: 128 * MIB,
  commitMs: 4_000,
};

/** Longer ones would not fit the index, and come from nobody who means well. */
const LONGEST_KEY = 200;
const LONGEST_EVENT = 100;

function mediaType(req: IncomingMessage): string {
  const value = req.headers['content-type'] ?? '';
  const end = value.indexOf(';');
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}

function storedHeaders(names: readonly string[], headers: WebhookHeaders): string {
  const kept: Record<string, string | string[]> = {};
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) kept[name] = value;
  }
  return JSON.stringify(kept);
}

function digestKey(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return `sha256:${hash.digest('hex')}`;
}

function inboxRow(descriptor: ForgeDescriptor, hook: HookRow, headers: WebhookHeaders, body: Buffer): InboxRow {
  const eventType = descriptor.eventType(headers).slice(0, LONGEST_EVENT);
  const given = descriptor.deliveryKey(headers);
  const deliveryKey =
    given === undefined || given === ''
      ? digestKey(hook.id, eventType, body)
      : given.length > LONGEST_KEY
        ? digestKey(given)
        : given;
  const stored = packBody(body);
  if (stored.bytes !== body) release(body);
  return {
    hookId: hook.id,
    forge: hook.forge,
    host: hook.host,
    deliveryKey,
    eventType,
    headers: storedHeaders(descriptor.storedHeaders, headers),
    body: stored,
  };
}

/** As long as those that Forgeway makes: the time that a check takes tells the length of a secret, if only in steps. */
export const decoySecretsOf = (forge: ForgeDescriptor): readonly string[] =>
  forge.decoySecrets?.() ?? [randomBytes(32).toString('base64url')];

/**
 * The way in: verifies a webhook, commits its raw bytes, and only then answers 202. It parses nothing and runs no
 * handler. After a valid signature the only refusals are 413, 415 and 503, since some forges switch a hook off on 4xx.
 */
export function createIngress(options: IngressOptions): Ingress {
  const { pool, log, metrics } = options;
  const limits: IngressLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const match = createPathMatcher(options.forges);
  const hooks = createHookDirectory(pool, options.secretsOf, log);
  const commits = new GroupCommit({
    pool,
    log,
    commitTimeoutMs: limits.commitMs,
    committed: createWake(pool, log),
  });
  const reader = new BodyReader(limits);
  const committing = () => commits.heldBytes;
  // A hook that does not exist is checked against these, so that it takes the same time to be refused.
  const decoys = new Map([...options.forges].map(([id, forge]) => [id, decoySecretsOf(forge)]));
  const secretsFor = (forge: ForgeDescriptor, open: OpenHook | undefined): readonly string[] =>
    open?.secrets ?? decoys.get(forge.id) ?? [];

  const reject = (req: IncomingMessage, res: ServerResponse, forge: string, status: Refusal) => {
    metrics.deliveries.inc({ forge, answer: String(status) });
    const requestId = refuse(req, res, status);
    log.info({ forge, status, request: requestId }, 'webhook refused');
  };

  const store = (res: ServerResponse, req: IncomingMessage, row: InboxRow, startedAt: number) => {
    commits.add(row, (committed) => {
      if (!committed) return reject(req, res, row.forge, 503);
      accept(res, row.deliveryKey);
      metrics.deliveries.inc({ forge: row.forge, answer: '202' });
      metrics.ingressSeconds.observe((performance.now() - startedAt) / 1_000);
    });
  };

  const receive = (
    req: IncomingMessage,
    res: ServerResponse,
    path: WebhookPath,
    open: OpenHook | undefined,
    startedAt: number,
    remembered?: Entry,
  ) => {
    const { descriptor } = path;
    const check = descriptor.signatureCheck(req.headers, secretsFor(descriptor, open));
    if (check === undefined && mayBeOutdated(remembered)) return lookUp(req, res, path, startedAt);
    reader.read(req, startedAt, check, committing, (received) => {
      if (received.kind === 'gone') return metrics.deliveries.inc({ forge: descriptor.id, answer: 'gone' });
      if (received.kind === 'refused') return reject(req, res, descriptor.id, received.status);
      const valid = check?.valid() ?? false;
      if (valid && open) return store(res, req, inboxRow(descriptor, open.hook, req.headers, received.body), startedAt);
      if (!mayBeOutdated(remembered)) return reject(req, res, descriptor.id, 401);
      hooks.find(path.hookId, descriptor.id).then(
        (now) => {
          const again = descriptor.signatureCheck(req.headers, secretsFor(descriptor, now));
          again?.update(received.body);
          if (!(again?.valid() ?? false) || !now) return reject(req, res, descriptor.id, 401);
          store(res, req, inboxRow(descriptor, now.hook, req.headers, received.body), startedAt);
        },
        () => reject(req, res, descriptor.id, 503),
      );
    });
  };

  const lookUp = (req: IncomingMessage, res: ServerResponse, path: WebhookPath, startedAt: number) => {
    hooks.find(path.hookId, path.descriptor.id).then(
      (open) => receive(req, res, path, open, startedAt),
      // Logged once where it was looked up, and not for every request that waited.
      () => reject(req, res, path.descriptor.id, 503),
    );
  };

  /** The first reason to refuse a request that can be told from its head. */
  const refusalOf = (req: IncomingMessage, descriptor: ForgeDescriptor): Refusal | undefined => {
    if (req.method !== 'POST') return 405;
    if (!descriptor.contentTypes.includes(mediaType(req))) return 415;
    const encoding = req.headers['content-encoding'];
    if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') return 415;
    const length = Number(req.headers['content-length'] ?? 0);
    if (length > limits.bodyBytes) return 413;
    const reason = reader.heldBytes + commits.heldBytes + length > limits.heldBytes ? 'memory' : options.overload?.();
    if (reason === undefined) return undefined;
    metrics.ingressRefusals.inc({ reason });
    return 503;
  };

  return {
    handle(req, res) {
      const path = match(req.url ?? '');
      if (!path) return false;
      const startedAt = performance.now();
      const refusal = refusalOf(req, path.descriptor);
      if (refusal !== undefined) {
        reject(req, res, path.descriptor.id, refusal);
        return true;
      }
      const known = hooks.peek(path.hookId, path.descriptor.id);
      if (known) receive(req, res, path, known.found, startedAt, known);
      else lookUp(req, res, path, startedAt);
      return true;
    },

    async close() {
      await commits.close();
      reader.close();
    },
  };
}
