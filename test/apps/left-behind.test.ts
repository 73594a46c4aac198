/** Apps as people write them: requests that nobody awaits, handlers that never end, what is no error, requests that are given up. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Context } from 'probot';
import { type FakeInstance, faked, place, startInstance } from './fake-instance.js';

type Opened = Context<'issues.opened'>;

describe.each(faked.map((forge) => [forge.label, forge] as const))('an app on %s', (_label, forge) => {
  const handler: { run(context: Opened): unknown } = { run: () => undefined };
  let instance: FakeInstance;
  let number: number;

  beforeAll(async () => {
    const careless = {
      name: 'careless',
      optional: true,
      load(app: { on(name: 'issues.opened', run: (context: Opened) => unknown): void }) {
        app.on('issues.opened', (context) => handler.run(context));
      },
    };
    instance = await startInstance(forge, [careless as never], { handlerTimeoutMs: 5_000 });
    number = await instance.fake.as('alice', place).openIssue({ title: 'It is slow' });
    await instance.settled();
  });
  afterAll(() => instance.close());

  /** What became of the run of a handler. */
  const outcomeOf = async (run: (context: Opened) => unknown) => {
    handler.run = run;
    const repository = { id: 1, name: place.name, full_name: 'acme/web', owner: { login: place.owner } };
    const delivered = await instance.rehearsal.deliverEvent('issues', {
      action: 'opened',
      issue: { number },
      repository,
      installation: { id: instance.rehearsal.installationId },
    });
    if ('ignored' in delivered) throw new Error(delivered.ignored);
    // What the app has written itself is told as an event too.
    return delivered.runs.map(({ outcome, reason }) => ({ outcome, ...(reason !== undefined && { reason }) }));
  };

  it('is run to the end of what it does not await', async () => {
    const done: string[] = [];
    const outcome = await outcomeOf((context) => {
      for (const name of ['one', 'two'])
        void (async () => {
          const { data } = await context.octokit.rest.issues.createComment(context.issue({ body: name }));
          await context.octokit.rest.issues.updateComment(context.repo({ comment_id: data.id, body: `${name}!` }));
          done.push(name);
        })();
    });
    expect(done.sort()).toEqual(['one', 'two']);
    expect(outcome).toEqual([{ outcome: 'done' }]);
    const issues = (await instance.fake.state(place)).issues;
    expect(issues[0]?.comments.map(({ body }) => body).sort()).toEqual(['one!', 'two!']);
  });

  it('is told by what it threw, whatever that is', async () => {
    const failed = (reason: string) => [{ outcome: 'failed', reason: `A handler threw what is no Error: ${reason}` }];
    expect(await outcomeOf(() => Promise.reject())).toEqual(failed('undefined'));
    expect(await outcomeOf(() => Promise.reject('out of beans'))).toEqual(failed('out of beans'));
    expect(await outcomeOf(() => Promise.reject({ code: 7 }))).toEqual(failed('{ code: 7 }'));
  });

  it('is no longer waited for when it never ends', async () => {
    expect(await outcomeOf(() => new Promise(() => undefined))).toEqual([
      { outcome: 'failed', reason: 'careless did not finish issues.opened within 5 s' },
    ]);
  });

  it('gives up a request', async () => {
    const names: unknown[] = [];
    const outcome = await outcomeOf(async (context) => {
      const request = async (signal: AbortSignal) =>
        context.octokit.rest.issues
          .get(context.issue({ request: { signal } }))
          .then(() => names.push('answered'))
          // Jest's Error is not the one that Node's own errors are made of, and Octokit wraps what it takes for none.
          .catch((error: Error) => names.push((error.cause as Error | undefined)?.name ?? error.name));
      const over = new AbortController();
      over.abort();
      await request(over.signal);
      const later = new AbortController();
      const begun = request(later.signal);
      queueMicrotask(() => later.abort());
      await begun;
    });
    expect(outcome).toEqual([{ outcome: 'done' }]);
    expect(names).toEqual(['AbortError', 'AbortError']);
  });
});

describe('an app that registers a listener', () => {
  const [forge] = faked;
  const start = (load: (app: { on(...of: unknown[]): void }) => void) =>
    startInstance(forge as NonNullable<typeof forge>, [{ name: 'x', load: load as never }]);

  it('is told at once when it names no event or has no function', async () => {
    await expect(start((app) => app.on('issues.opened'))).rejects.toThrow(
      'on("issues.opened") takes a function, and was given undefined',
    );
    await expect(start((app) => app.on(undefined, () => undefined))).rejects.toThrow(
      'on() takes the name of an event or a list of them, and was given undefined',
    );
  });
});
