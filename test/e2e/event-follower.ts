/**
 * A client of `/api/events` as one is written that may miss nothing: it remembers the last id, comes back with it whenever the stream is
 * cut, and asks for what is new of a session that it was told of. It cuts its stream itself, too.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface FollowedEntry {
  sequence: string;
  kind: string;
  data: { text?: string };
}

export interface EventFollower {
  /** What the session's record said, in the order in which it was learned. */
  entries: FollowedEntry[];
  /** Ids of all that was told, in order. */
  ids: string[];
  /** How many streams there were, and how often one began anew because something was missed. */
  streams: number;
  resets: number;
  stop(): Promise<void>;
}

/** @param cutAfter how many events are read of the next stream before it is cut */
export function followSession(o: {
  url: string;
  token: string;
  sessionId: string;
  cutAfter: () => number;
}): EventFollower {
  const over = new AbortController();
  const headers = { authorization: `Bearer ${o.token}` };
  const follower: EventFollower = { entries: [], ids: [], streams: 0, resets: 0, stop: async () => undefined };
  let last: string | undefined;
  let after = '0';

  async function readOn(): Promise<void> {
    for (;;) {
      const address = `${o.url}/api/v1/sessions/${o.sessionId}/events?after=${after}&limit=500`;
      const answer = await fetch(address, {
        headers,
        signal: AbortSignal.any([over.signal, AbortSignal.timeout(10_000)]),
      });
      if (!answer.ok) throw new Error(`the record is answered with ${answer.status}`);
      const page = (await answer.json()) as { items: FollowedEntry[]; next: string };
      follower.entries.push(...page.items);
      after = page.next;
      if (page.items.length === 0) return;
    }
  }

  async function stream(): Promise<void> {
    const end = new AbortController();
    const signal = AbortSignal.any([over.signal, end.signal]);
    const resuming = last === undefined ? headers : { ...headers, 'last-event-id': last };
    const answer = await fetch(`${o.url}/api/events?kinds=session`, { headers: resuming, signal });
    if (!answer.ok || answer.body === null) throw new Error(`the stream is answered with ${answer.status}`);
    follower.streams += 1;
    const most = o.cutAfter();
    let told = 0;
    let text = '';
    try {
      for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
          const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text.slice(0, at))?.[1];
          const [id, event, data] = [field('id'), field('event'), field('data')];
          text = text.slice(at + 2);
          if (event === 'reset') follower.resets += 1;
          if (event === 'session' && id !== undefined) {
            if ((JSON.parse(data ?? '{}') as { id?: string }).id === o.sessionId) await readOn();
            // An event counts as told once it has been acted on: the server may be killed in the middle of that.
            follower.ids.push(id);
            told += 1;
          } else if (event !== undefined && last === undefined) await readOn();
          last = id ?? last;
          if (told >= most) return;
        }
      }
    } finally {
      end.abort();
    }
  }

  const running = (async () => {
    while (!over.signal.aborted) {
      // The server is killed again and again: whatever ends the stream, it comes back.
      await stream().catch(() => undefined);
      await sleep(100);
    }
  })();
  follower.stop = async () => {
    over.abort();
    await running;
  };
  return follower;
}
