/** Translated webhooks for an app in another process: signed with its own secret, and posted as GitHub posts them. */
import { createHmac } from 'node:crypto';
import type { Context } from 'probot';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { App } from '../loaded-app.js';
import { movesTo } from './addresses.js';
import { rebase } from './rebase.js';

export interface FacadeWebhookOptions {
  /** Of the app; its deliveries are kept under `facade:NAME`. */
  name: string;
  /** Where it waits for webhooks. */
  appUrl: string;
  secret: string;
  /** Where it reaches the facade, such as `http://127.0.0.1:3100`. */
  origin: string;
  send?: typeof fetch;
  /** How long it may take to answer. Probot 9 and older answer when their handlers have ended, later ones after 9 s. */
  timeoutMs: number;
}

/** Answers that say "not now", and so that nothing was begun. */
const NOT_NOW: ReadonlySet<number> = new Set([429, 503]);

/** The code of Node's error behind what `fetch` threw. By shape: these errors are not made by the code that runs here. */
function codesOf(error: unknown): unknown[] {
  if (typeof error !== 'object' || error === null) return [];
  // One address of a name may refuse as the other does.
  if ('errors' in error && Array.isArray(error.errors)) return error.errors.flatMap(codesOf);
  if ('code' in error) return [error.code];
  return 'cause' in error ? codesOf(error.cause) : [];
}

/** Nobody listened: the app has not seen it. */
function isUnreached(error: unknown): boolean {
  const codes = codesOf(error);
  return codes.length > 0 && codes.every((code) => code === 'ECONNREFUSED');
}

/**
 * An app of ours that hands every event on. When the other one is not there or says that it cannot now, this fails and is
 * tried again like any other failure. Whatever else goes wrong is final: the app may have written half of what it wanted,
 * its requests cannot be told apart by delivery, and to give it the event again would do that half twice.
 */
export function facadeApp(o: FacadeWebhookOptions): App {
  const send = o.send ?? fetch;
  const signed = (algorithm: string, body: string) =>
    `${algorithm}=${createHmac(algorithm, o.secret).update(body).digest('hex')}`;
  return {
    name: `facade:${o.name}`,
    optional: true,
    apart: true,
    load: (app) => {
      app.onAny(async (event) => {
        // Every listener gets a context; the types say so of those that name their event only.
        const { id, name, payload, octokit } = event as unknown as Context;
        const { baseUrl } = octokit.request.endpoint.DEFAULTS;
        const body = JSON.stringify(rebase(payload, movesTo(o.origin, baseUrl)));
        const unknown = (what: string, cause?: unknown) =>
          new ForgewayError(
            'FORGEWAY_APP_OUTCOME_UNKNOWN',
            `The app at ${new URL(o.appUrl).host} ${what} to ${name}.`,
            {
              cause,
            },
          );
        const response = await send(o.appUrl, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': 'GitHub-Hookshot/forgeway',
            // An idle connection that the app closes as it is used again would look like a failed handler.
            connection: 'close',
            'x-github-event': name,
            'x-github-delivery': id,
            'x-hub-signature-256': signed('sha256', body),
            // What Probot 9 and older look at.
            'x-hub-signature': signed('sha1', body),
          },
          body,
          redirect: 'manual',
          signal: AbortSignal.timeout(o.timeoutMs),
        }).catch((error: unknown) => {
          if (isUnreached(error))
            throw new Error(`The app at ${new URL(o.appUrl).host} is not there to take ${name}.`, { cause: error });
          // Node's own words for all of them are "fetch failed".
          const code = codesOf(error).find((one) => typeof one === 'string');
          throw unknown(`gave no answer (${code ?? messageOf(error)})`, error);
        });
        // Its status is all that matters, and has come.
        await response.arrayBuffer().catch(() => undefined);
        if (NOT_NOW.has(response.status))
          throw new Error(`The app at ${new URL(o.appUrl).host} answered ${response.status} to ${name}.`);
        if (!response.ok) throw unknown(`answered ${response.status}`);
      });
    },
  };
}
