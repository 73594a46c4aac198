/** What the stories of all fakes need: asking a fake's own API as somebody, and waiting for what it told its hooks. */
import type { FakeApi } from './routing.js';
import type { FakeWebhooks } from './webhook-sender.js';

export type AskFake = (method: string, path: string, json?: unknown) => Promise<unknown>;

/**
 * Asks in-process. `path` is below `apiUrl`, encoded. Answers the JSON, undefined when there is none.
 * The function rejects with Error naming request, status and answer when the forge refuses.
 */
export function askFake(api: FakeApi, apiUrl: string, headers: Readonly<Record<string, string>>): AskFake {
  // A fake that is served below a path is asked in-process without it.
  const base = `${new URL(apiUrl).origin}${api.prefix}`;
  return async (method, path, json) => {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const sent = new Headers(headers);
    if (body !== undefined) sent.set('content-type', 'application/json');
    const answer = await api.handle(new Request(`${base}${path}`, { method, headers: sent, body }));
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} was refused with ${answer.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
}

/** Also for what was told while it waited. */
export async function settledWebhooks(webhooks: FakeWebhooks): Promise<void> {
  let before = -1;
  while (before !== webhooks.sent.length) {
    before = webhooks.sent.length;
    await webhooks.settled();
  }
}

/** For a fake's `fetch`: webhooks are posted to one address each, with text. */
export const webhookFetch =
  (send: (url: string, init: RequestInit) => Promise<Response>): typeof fetch =>
  async (input, init = {}) =>
    send(input instanceof Request ? input.url : String(input), init);

/** A field of an answer that is a number, such as `number` or `iid`. */
export function numberIn(answer: unknown, field: string): number {
  const value = typeof answer === 'object' && answer !== null ? Reflect.get(answer, field) : undefined;
  if (typeof value !== 'number') throw new Error(`The fake answered without ${field}.`);
  return value;
}
