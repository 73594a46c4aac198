/** One payload through translation into an app, once, without server and database. */

import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { fixedToken } from '../accounts/connections.js';
import type { ForgeDescriptor, JsonObject } from '../forges/forge.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { catchStrayRejections } from '../lib/left-behind.js';
import type { Logger } from '../lib/logger.js';
import { createOutbound } from '../lib/outbound/outbound.js';
import { redactText } from '../lib/redact.js';
import type { App } from '../translate/bridge.js';
import { unwrap } from '../translate/failures.js';
import { holdBack, type NotedRequest } from '../translate/held-back.js';
import { openNativeAccess } from '../translate/native-access.js';
import { createRehearsal, type Run } from '../translate/rehearsal.js';

export interface ReceiveRequest {
  apps: readonly App[];
  forge: ForgeDescriptor;
  /** Base URL of the instance. */
  url: string;
  /** Absent: nobody is asked, and every read finds nothing. */
  token: string | undefined;
  /** GitHub's event with or without its action; of a native payload the name in the forge's own header, where it has one. */
  event: string;
  payloadFile: string;
  /** The payload is the forge's own, and is translated first. */
  native: boolean;
  /** Writes are sent too. */
  send: boolean;
  log: Logger;
  handlerTimeoutMs?: number | undefined;
}

export interface Received {
  /** Why no app ran, where none did. */
  ignored?: string;
  runs: readonly Omit<Run, 'error'>[];
  requests: readonly NotedRequest[];
  ok: boolean;
}

const invalid = (message: string, cause?: unknown) => new ForgewayError('FORGEWAY_PAYLOAD_INVALID', message, { cause });

/** Editors on Windows begin a file with it. */
const MARK = Buffer.from('\uFEFF');

/** @throws InvalidArgumentError for a file that cannot be read: no forge has to do with that */
function bytesOf(file: string): Buffer {
  try {
    const bytes = readFileSync(file);
    return bytes.subarray(0, MARK.length).equals(MARK) ? bytes.subarray(MARK.length) : bytes;
  } catch (error) {
    throw new InvalidArgumentError(`The payload's file cannot be read: ${messageOf(error)}.`);
  }
}

function readPayload(file: string): { body: Buffer; payload: JsonObject } {
  const body = bytesOf(file);
  try {
    const payload: unknown = JSON.parse(body.toString('utf8'));
    if (typeof payload === 'object' && payload !== null && !Array.isArray(payload))
      return { body, payload: payload as JsonObject };
  } catch (error) {
    throw invalid(`${file} cannot be read as JSON: ${messageOf(error)}`, error);
  }
  throw invalid(`${file} holds no JSON object.`);
}

const nobody = async (): Promise<Response> => Response.json({ message: 'Nobody was asked.' }, { status: 404 });

/** Whom the token speaks for, where the forge can be asked. */
async function accountOf(request: ReceiveRequest): Promise<{ id: bigint; login: string }> {
  const { forge, url, token, log } = request;
  const stranger = { id: 0n, login: '' };
  if (token === undefined || forge.administration === undefined) return stranger;
  // The address was written at the command line of this machine, and speaks for nobody else.
  const outbound = createOutbound({ allowed: [new URL(url).hostname.replace(/^\[|\]$/g, '')] });
  const place = { id: '', organizationId: '', host: forge.endpoint(url).host, baseUrl: url, virtualId: 0n };
  const native = openNativeAccess({ log, fetch: outbound.fetch })({
    ...{ ...place, forge, ...fixedToken(token), account: stranger },
  });
  return (await forge.administration.probe(native)).account;
}

/** A fixture names the event beside the payload; a bare payload goes with the name that was given. */
function nativeDelivery(name: string, body: Buffer, { eventType, payload }: JsonObject) {
  const contentType = 'application/json';
  if (typeof eventType !== 'string' || typeof payload !== 'object') return { eventType: name, contentType, body };
  return { eventType, contentType, body: Buffer.from(JSON.stringify(payload)) };
}

/** @throws InvalidArgumentError; ForgewayError FORGEWAY_PAYLOAD_INVALID; RouteFailure when the forge refuses the token */
export async function receiveOnce(request: ReceiveRequest): Promise<Received> {
  const { body, payload } = readPayload(request.payloadFile);
  const [name = '', action] = request.event.split('.');
  if (!request.native && action !== undefined && payload.action !== action)
    throw invalid(`The payload’s action is ${String(payload.action)}, not ${action}.`);
  const requests: NotedRequest[] = [];
  const strays: Omit<Run, 'error'>[] = [];
  const stopCatching = catchStrayRejections(({ app, eventName: event }, error) => {
    const { message } = unwrap(error);
    const reason = `when it was over: a promise that the handler did not await was rejected: ${redactText(message)}`;
    strays.push({ app, event, outcome: 'failed', reason });
  });
  const rehearsal = await createRehearsal({
    ...(request.handlerTimeoutMs !== undefined && { handlerTimeoutMs: request.handlerTimeoutMs }),
    apps: request.apps,
    forge: request.forge,
    url: request.url,
    token: request.token ?? '',
    account: await accountOf(request),
    log: request.log,
    // Translating may ask the forge too.
    ...(request.token === undefined && { send: nobody }),
    around: (send, { baseUrl }) =>
      holdBack(send, baseUrl, {
        writes: !request.send,
        reads: request.token === undefined,
        note: (noted) => void requests.push(noted),
      }),
  });
  const delivering = request.native
    ? rehearsal.deliver(nativeDelivery(name, body, payload))
    : rehearsal.deliverEvent(name, payload);
  const delivered = await delivering.finally(stopCatching);
  if ('ignored' in delivered) return { ignored: delivered.ignored, runs: [], requests, ok: false };
  // What an app throws may quote what it was given or holds.
  const told = delivered.runs.map(({ error: _error, reason, ...run }) => ({
    ...run,
    ...(reason !== undefined && { reason: redactText(reason) }),
  }));
  const runs = [...told, ...strays];
  const ok = runs.length > 0 && runs.every(({ outcome }) => outcome !== 'failed');
  return { ...(runs.length === 0 && { ignored: 'No app listens to this event.' }), runs, requests, ok };
}
