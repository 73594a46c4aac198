/** Sends a fake's webhooks as the forge would: signed, in order, one request for each hook. */

export interface FakeHook {
  url: string;
  secret: string;
}

export interface FakeWebhook {
  /** The forge's own name of it. */
  event: string;
  payload: unknown;
}

/** One request that was sent. */
export interface FakeWebhookDelivery extends FakeWebhook {
  url: string;
  headers: Record<string, string>;
  /** The bytes that were signed. */
  body: string;
  /** 0 when there was no answer. */
  status: number;
}

export interface FakeWebhooks {
  /** Waits for those before it, and answers each hook's status code; 0 when there was no answer. */
  send(hooks: readonly FakeHook[], event: FakeWebhook): Promise<readonly number[]>;
  /** Everything that happened, also while no hook listened. */
  readonly sent: readonly FakeWebhook[];
  readonly deliveries: readonly FakeWebhookDelivery[];
  /** Sends the same bytes and headers once more, as a person does who presses "resend". */
  redeliver(delivery: FakeWebhookDelivery): Promise<number>;
  /** Resolves when everything that was sent so far is answered. */
  settled(): Promise<void>;
}

/** `headers` signs: it gets the hook and the body as it will travel. A delivery's id is its affair too. */
export function createFakeWebhooks(options: {
  headers(event: FakeWebhook, hook: FakeHook, body: string): Record<string, string>;
  fetch?: typeof fetch;
}): FakeWebhooks {
  const { headers: sign, fetch: request = fetch } = options;
  const sent: FakeWebhook[] = [];
  const deliveries: FakeWebhookDelivery[] = [];
  const queue = { last: Promise.resolve<unknown>(undefined) };

  async function post({ url, headers, body }: Pick<FakeWebhookDelivery, 'url' | 'headers' | 'body'>): Promise<number> {
    try {
      const answer = await request(url, { method: 'POST', headers, body });
      await answer.arrayBuffer();
      return answer.status;
    } catch (error) {
      // A forge takes "nobody there" as an answer like any other; what else goes wrong is the fake's own fault. By name,
      // since the global fetch of a test throws the TypeError of another realm.
      if ((error as Error).name === 'TypeError') return 0;
      throw error;
    }
  }

  async function deliver(event: FakeWebhook, hook: FakeHook, body: string): Promise<number> {
    const headers = { 'content-type': 'application/json', ...sign(event, hook, body) };
    const delivery = { ...event, url: hook.url, headers, body };
    const status = await post(delivery);
    deliveries.push({ ...delivery, status });
    return status;
  }

  return {
    sent,
    deliveries,
    send(hooks, event) {
      // Written at once: what happens later must not show in a payload that waits.
      const body = JSON.stringify(event.payload);
      sent.push({ event: event.event, payload: JSON.parse(body) });
      const mine = queue.last.then(async () => {
        const codes: number[] = [];
        for (const hook of hooks) codes.push(await deliver(event, hook, body));
        return codes;
      });
      queue.last = mine.catch(() => undefined);
      return mine;
    },
    redeliver: async (delivery) => {
      const status = await post(delivery);
      deliveries.push({ ...delivery, status });
      return status;
    },
    settled: async () => {
      await queue.last;
    },
  };
}
