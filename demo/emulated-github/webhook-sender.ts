/** Sends the App's webhooks one after another, as GitHub does: signed over the raw bytes, never repeated by itself. */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { JsonObject } from './json.js';

export interface Delivery {
  id: number;
  guid: string;
  event: string;
  action: string | null;
  deliveredAt: string;
  redelivery: boolean;
  /** 0 when the receiver did not answer. */
  statusCode: number;
  /** Seconds. */
  duration: number;
}

export interface WebhookSenderOptions {
  url: string;
  secret: string;
  appId: number;
  host: string;
}

const answerTimeoutMs = 10_000;

export function signatureOf(secret: string, body: Buffer): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

export class WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #sent: { delivery: Delivery; body: Buffer }[] = [];
  readonly #closing = new AbortController();
  #queue: Promise<void> = Promise.resolve();

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
  }

  /** True when the emulator signed this body with the App's secret. */
  isSigned(body: Buffer, signature: string | undefined): boolean {
    const expected = Buffer.from(signatureOf(this.#options.secret, body));
    const given = Buffer.from(signature ?? '');
    return expected.length === given.length && timingSafeEqual(expected, given);
  }

  /** Queues one delivery; resolves when the receiver has answered or failed to. */
  send(event: string, payload: JsonObject): Promise<Delivery> {
    const action = typeof payload.action === 'string' ? payload.action : null;
    return this.#enqueue(
      { guid: randomUUID(), event, action, redelivery: false },
      Buffer.from(JSON.stringify(payload)),
    );
  }

  /** Sends the same bytes under the same GUID again, as GitHub's "Redeliver" button does. */
  redeliver(id: number): Promise<Delivery> | undefined {
    const found = this.#sent.find(({ delivery }) => delivery.id === id);
    return found && this.#enqueue({ ...found.delivery, redelivery: true }, found.body);
  }

  /** Newest first. */
  list(): Delivery[] {
    return this.#sent.map(({ delivery }) => delivery).reverse();
  }

  /** When everything queued so far has been answered, or was not. */
  settled(): Promise<void> {
    return this.#queue;
  }

  /** Gives up what is still to be sent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#queue;
  }

  #enqueue(what: Pick<Delivery, 'guid' | 'event' | 'action' | 'redelivery'>, body: Buffer): Promise<Delivery> {
    const result = this.#queue.then(() => this.#post(what, body));
    this.#queue = result.then(() => undefined);
    return result;
  }

  async #post(what: Pick<Delivery, 'guid' | 'event' | 'action' | 'redelivery'>, body: Buffer): Promise<Delivery> {
    const { url, secret, appId, host } = this.#options;
    const started = Date.now();
    const statusCode = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'GitHub-Hookshot/emulated',
        'x-github-delivery': what.guid,
        'x-github-event': what.event,
        'x-github-enterprise-host': host,
        'x-github-hook-installation-target-id': String(appId),
        'x-github-hook-installation-target-type': 'integration',
        'x-hub-signature-256': signatureOf(secret, body),
      },
      body,
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(answerTimeoutMs)]),
    }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      // Recorded as "not delivered"; GitHub does not try again by itself either.
      () => 0,
    );
    const delivery: Delivery = {
      ...what,
      id: this.#sent.length + 1,
      deliveredAt: new Date(started).toISOString(),
      statusCode,
      duration: (Date.now() - started) / 1000,
    };
    this.#sent.push({ delivery, body });
    return delivery;
  }
}
