/** A fake instance of a forge with one repository, and apps rehearsed on what it tells. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import type { FakePlace, ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { forges } from '../../src/forges/registry.js';
import { createLogger } from '../../src/lib/logger.js';
import type { App } from '../../src/translate/bridge.js';
import { graphqlOf } from '../../src/translate/graphql/graphql.js';
import { createRehearsal, type Rehearsal, type RehearsalOptions, type Run } from '../../src/translate/rehearsal.js';

/** Forges that have a fake. */
export const faked: readonly ForgeDescriptor[] = [...forges.values()].filter((forge) => forge.startFake !== undefined);
/** Those among them whose requests are translated. */
export const translated: readonly ForgeDescriptor[] = faked.filter((forge) => forge.routes !== undefined);

export const place: FakePlace = { owner: 'acme', name: 'web' };

export interface FakeInstance {
  fake: ForgeFake;
  rehearsal: Rehearsal;
  /** What ran so far. */
  runs: Run[];
  /** Waits until all that was told has run, and all that this caused. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export async function startInstance(
  forge: ForgeDescriptor,
  apps: readonly App[],
  more: Partial<RehearsalOptions> = {},
): Promise<FakeInstance> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-apps-'));
  const runs: Run[] = [];
  const waiting: Promise<void>[] = [];
  const running = { last: Promise.resolve() };
  const sendWebhook = async (_url: string, init: RequestInit): Promise<Response> => {
    const headers = Object.fromEntries(new Headers(init.headers));
    const body = Buffer.from(await new Response(init.body).arrayBuffer());
    running.last = running.last.then(async () => {
      const contentType = headers['content-type'] ?? '';
      const done = await rehearsal.deliver({ eventType: forge.eventType(headers), contentType, body });
      if ('runs' in done) runs.push(...done.runs);
    });
    waiting.push(running.last);
    return new Response(null, { status: 202 });
  };
  const fake = await forge.startFake?.({ folder, sendWebhook, graphql: graphqlOf(forge.label) });
  if (fake === undefined) throw new Error(`${forge.label} has no fake`);
  const log = createLogger({ level: 'silent', format: 'json' });
  const rehearsal = await createRehearsal({
    apps,
    forge,
    url: fake.url,
    ...(fake.app ? { app: fake.app } : { token: fake.token, account: fake.bot }),
    log,
    ...more,
  });
  await fake.addPerson('alice');
  const { id, url, defaultBranch } = await fake.addRepository({ ...place, people: { alice: 'write' } });
  rehearsal.serve({ remoteId: id, ...place, url, private: false, archived: false, defaultBranch });
  const hook = { url: 'http://forgeway.test/hook', secret: 'secret of the hook' };
  if (fake.app) fake.app.setHook(hook);
  else await fake.addHook(place, hook);
  return {
    fake,
    rehearsal,
    runs,
    async settled() {
      do {
        await fake.settled();
        await Promise.all(waiting.splice(0));
        await fake.settled();
      } while (waiting.length > 0);
    },
    async close() {
      await fake.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
