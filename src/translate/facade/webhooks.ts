/** Translated webhooks for an app in another process: signed with its own secret, and posted as GitHub posts them. */
import { createHmac } from 'node:crypto';
import type { Context } from 'probot';
import type { App } from '../loaded-app.js';
import { rebase } from './rebase.js';
import { API_PATH } from './requests.js';

export interface FacadeWebhookOptions {
  /** Of the app; its deliveries are kept under `facade:NAME`. */
  name: string;
  /** Where it waits for webhooks. */
  appUrl: string;
  secret: string;
  /** Where it reaches the facade, such as `http://127.0.0.1:3100`. */
  origin: string;
  send?: typeof fetch;
}

const TIMEOUT_MS = 10_000;

/**
 * An app of ours that hands every event on. What the other one does not accept fails here, and is tried again like any
 * other failure.
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
        const body = JSON.stringify(rebase(payload, baseUrl, `${o.origin}${API_PATH}`));
        const response = await send(o.appUrl, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': 'GitHub-Hookshot/forgeway',
            'x-github-event': name,
            'x-github-delivery': id,
            'x-hub-signature-256': signed('sha256', body),
            // What Probot 9 and older look at.
            'x-hub-signature': signed('sha1', body),
          },
          body,
          redirect: 'manual',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        await response.arrayBuffer();
        if (!response.ok)
          throw new Error(`The app at ${new URL(o.appUrl).host} answered ${response.status} to ${name}.`);
      });
    },
  };
}
