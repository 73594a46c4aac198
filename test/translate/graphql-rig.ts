/** An app on a forge that is played, whose GraphQL is asked from outside: what it was told, and its own Octokit. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'probot';
import { gitObjectsFor } from '../../src/entry/bridge-ports.js';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import type { FakePlace, ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { createLogger } from '../../src/lib/logger.js';
import { createRehearsal } from '../../src/translate/rehearsal.js';
import { loopback } from '../support/loopback.js';

/** JSON that a test looks into. */
// biome-ignore lint/suspicious/noExplicitAny: every answer has another form, and a test that looks for what is not there fails.
export type Loose = any;

export const shop: FakePlace = { owner: 'acme', name: 'shop' };
export const where = { owner: shop.owner, repo: shop.name };

export interface GraphqlRig {
  fake: ForgeFake;
  /** `data` of a query or mutation. Rejects with GraphqlResponseError, as `context.octokit.graphql` does. */
  graphql(query: string, variables?: Record<string, unknown>): Promise<Loose>;
  /** The payload of a mutation with this input. */
  mutate(name: string, input: Record<string, unknown>, payload?: string): Promise<Loose>;
  /** `errors` of what is expected to fail. */
  errorsOf(run: Promise<unknown>): Promise<Loose[]>;
  /** `data` of a REST request. Parameters that the route names for a place are there. */
  rest(route: string, parameters?: object): Promise<Loose>;
  /** The latest payload of an event, such as `pull_request.opened`, once all that was caused has been told. */
  told(event: string): Promise<Loose>;
  close(): Promise<void>;
}

const EVENTS = ['push', 'pull_request', 'issues', 'issue_comment'] as const;

/** `files` begin the repository, where alice and bob may write and carol may read. */
export async function startGraphqlForge(
  descriptor: ForgeDescriptor,
  files: Readonly<Record<string, string>>,
): Promise<GraphqlRig> {
  if (descriptor.startFake === undefined) throw new Error(`${descriptor.label} has no fake.`);
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-graphql-'));
  const deliveries: { headers: Headers; body: string }[] = [];
  const fake = await descriptor.startFake({
    folder: join(folder, 'forge'),
    async sendWebhook(_url, init) {
      deliveries.push({ headers: new Headers(init.headers), body: String(init.body) });
      return new Response();
    },
  });
  for (const login of ['alice', 'bob', 'carol']) await fake.addPerson(login);
  await fake.addRepository({ ...shop, files, people: { alice: 'write', bob: 'write', carol: 'read' } });
  await fake.addHook(shop, { url: 'http://127.0.0.1:9/hook', secret: 'secret' });

  const seen: Context[] = [];
  const rehearsal = await createRehearsal({
    apps: [{ name: 'asker', load: (app) => app.on([...EVENTS], (context) => void seen.push(context as Context)) }],
    forge: descriptor,
    url: fake.url,
    token: fake.token,
    account: fake.bot,
    log: createLogger({ level: 'silent', format: 'json' }),
    gitFor: gitObjectsFor({ dataDir: folder }, loopback),
  });
  const caughtUp = async () => {
    await fake.settled();
    for (const { headers, body } of deliveries.splice(0)) {
      const eventType = descriptor.eventType(Object.fromEntries(headers));
      await rehearsal.deliver({ eventType, contentType: 'application/json', body: Buffer.from(body) });
    }
  };
  const octokit = () => {
    const [first] = seen;
    if (first === undefined) throw new Error('The app was told nothing yet.');
    return first.octokit as Loose;
  };
  const graphql: GraphqlRig['graphql'] = (query, variables = {}) => octokit().graphql(query, variables);

  return {
    fake,
    graphql,
    async mutate(name, input, payload = 'clientMutationId') {
      const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
      const text = `mutation ($input: ${type}!) { ${name}(input: $input) { ${payload} } }`;
      return (await graphql(text, { input }))[name];
    },
    async errorsOf(run) {
      const error: Loose = await run.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error?.name !== 'GraphqlResponseError') throw new Error('It did not fail as GraphQL does.', { cause: error });
      return error.errors;
    },
    async rest(route, parameters = {}) {
      const place = route.includes('{owner}') ? where : {};
      return (await octokit().request(route, { ...place, ...parameters })).data;
    },
    async told(event) {
      await caughtUp();
      const found = seen.findLast(({ name, payload }) => {
        const { action } = payload as { action?: string };
        return event === (action === undefined ? name : `${name}.${action}`);
      });
      if (found === undefined) throw new Error(`The app was not told ${event}.`);
      return found.payload;
    },
    async close() {
      await fake.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
