/** A fake instance of a forge on which apps are played: one repository, two people, and everything that happens written down. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ForgeDescriptor } from '../../forges/forge.js';
import type { FakePerson, FakePlace, FakeRepositoryState } from '../../forges/kit/fake/forge-fake.js';
import { catchStrayRejections } from '../../lib/left-behind.js';
import type { Logger } from '../../lib/logger.js';
import { createOutbound } from '../../lib/outbound/outbound.js';
import type { App } from '../../translate/bridge.js';
import { unwrap } from '../../translate/failures.js';
import { graphqlOf } from '../../translate/graphql/graphql.js';
import { holdBack, type NotedRequest } from '../../translate/held-back.js';
import { createRehearsal, type Run } from '../../translate/rehearsal.js';
import { gitObjectsFor } from '../bridge-ports.js';

export interface Stage {
  /** Writes code; may push. */
  alice: FakePerson;
  /** Reviews; may push. */
  bob: FakePerson;
  defaultBranch: string;
  /** Waits until what was done has been told, the apps have run, and all that this caused is over. */
  settled(): Promise<void>;
}

/** What became of one story on one forge. */
export interface Played {
  runs: readonly Run[];
  requests: readonly NotedRequest[];
  state: FakeRepositoryState;
  /** Login under which the apps act. */
  bot: string;
  /** What a real instance would not have understood. */
  violations: readonly string[];
  /** Why the story could not be played to its end. */
  broken?: string;
  /** What promises were rejected with that no handler awaited, and that came when the run was over. */
  strays: readonly Pick<Run, 'app' | 'event' | 'reason'>[];
}

export interface StageOptions {
  forge: ForgeDescriptor;
  apps: readonly App[];
  /** In the repository from its first commit, by path. */
  files: Readonly<Record<string, string>>;
  log: Logger;
  handlerTimeoutMs?: number | undefined;
}

const place: FakePlace = { owner: 'acme', name: 'web' };

/** An app in a loop with itself is stopped by its events, whatever it does. */
const MOST_DELIVERIES = 500;

/** Plays a story to its end, and takes everything down again. */
export async function playOn(o: StageOptions, story: (stage: Stage) => Promise<void>): Promise<Played> {
  const { forge, log } = o;
  if (forge.startFake === undefined) throw new TypeError(`${forge.label} has no double to play on.`);
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-app-test-'));
  await mkdir(join(folder, 'repositories'));
  const runs: Run[] = [];
  const requests: NotedRequest[] = [];
  const strays: Played['strays'][number][] = [];
  const deliveries = { count: 0, last: Promise.resolve() };
  const stopCatching = catchStrayRejections(({ app, eventName: event }, error) => {
    strays.push({ app, event, reason: unwrap(error).message });
  });

  const sendWebhook = async (_url: string, init: RequestInit): Promise<Response> => {
    deliveries.count += 1;
    if (deliveries.count > MOST_DELIVERIES) return new Response(null, { status: 503 });
    const headers = Object.fromEntries(new Headers(init.headers));
    const body = Buffer.from(await new Response(init.body).arrayBuffer());
    const eventType = forge.eventType(headers);
    deliveries.last = deliveries.last.then(async () => {
      const done = await rehearsal.deliver({ eventType, contentType: headers['content-type'] ?? '', body });
      if ('runs' in done) runs.push(...done.runs);
    });
    return new Response(null, { status: 202 });
  };

  const fake = await forge.startFake({
    folder: join(folder, 'repositories'),
    sendWebhook,
    graphql: graphqlOf(forge.label),
  });
  const rehearsal = await createRehearsal({
    apps: o.apps,
    forge,
    url: fake.url,
    ...(fake.app ? { app: fake.app } : { token: fake.token, account: fake.bot }),
    log,
    ...(o.handlerTimeoutMs !== undefined && { handlerTimeoutMs: o.handlerTimeoutMs }),
    gitFor: gitObjectsFor({ dataDir: folder }, createOutbound({ allowed: ['127.0.0.1'] })),
    around: (send, { baseUrl }) =>
      holdBack(send, baseUrl, { writes: false, reads: false, note: (noted) => void requests.push(noted) }),
  });
  try {
    for (const login of ['alice', 'bob']) await fake.addPerson(login);
    const people = { alice: 'write', bob: 'write' } as const;
    const made = await fake.addRepository({ ...place, people, files: { 'README.md': '# web\n', ...o.files } });
    const { id, url, defaultBranch } = made;
    rehearsal.serve({ remoteId: id, ...place, url, private: false, archived: false, defaultBranch });
    // Nobody listens there: `sendWebhook` takes everything.
    const hook = { url: 'http://127.0.0.1:9/hook', secret: 'a secret that is not used' };
    if (fake.app) fake.app.setHook(hook);
    else await fake.addHook(place, hook);
    const settled = async () => {
      for (let seen = -1; seen !== deliveries.count; ) {
        seen = deliveries.count;
        await fake.settled();
        await deliveries.last;
        await fake.settled();
      }
    };
    const broken = await story({
      alice: fake.as('alice', place),
      bob: fake.as('bob', place),
      defaultBranch,
      settled,
    }).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    await settled();
    const state = await fake.state(place);
    return {
      runs,
      requests,
      state,
      bot: fake.bot.login,
      violations: fake.violations(),
      strays,
      ...(broken !== undefined && { broken }),
    };
  } finally {
    stopCatching();
    await fake.close();
    await rm(folder, { recursive: true, force: true });
  }
}
