import { describe, expect, it } from '@jest/globals';
import type { ForgeDescriptor, ForgeEvent, JsonObject, TranslatePorts } from '../../src/forges/forge.js';
import type { DeliveryScope } from '../../src/lib/delivery-scope.js';
import type { Connections } from '../../src/translate/connections.js';
import { connectionCredential } from '../../src/translate/credential.js';
import { type OwnWrite, tracesBy, tracesOfWrite } from '../../src/translate/loop-traces.js';
import { createTranslation, type DeliveredEvent, type Translated } from '../../src/translate/translation.js';
import type { VirtualForges } from '../../src/translate/virtual-fetch.js';
import { toy } from '../conformance/toy-forge/forge.js';
import { createMemoryRecords } from '../support/route-rig.js';
import { connectionTo } from './virtual-rig.js';

const sender = { id: 7, login: 'maintainer', type: 'User' };
const commented: JsonObject = {
  action: 'created',
  repository: { name: 'web', owner: { login: 'acme' } },
  issue: { number: 3, user: { id: 8, login: 'bob', type: 'User' } },
  comment: { id: 77, user: { id: 7, login: 'maintainer', type: 'User' } },
  sender,
};

/** What our comment left, made by the connection's own account or by another of ours. */
const left = (account: number) => {
  const traces = tracesOfWrite(
    'POST /repos/{owner}/{repo}/issues/{issue_number}/comments',
    { owner: 'acme', repo: 'web', issue_number: '3' },
    {},
    { id: 77 },
  );
  return new Set([...traces, ...tracesBy(account, traces)]);
};

interface RigOptions {
  cause?: OwnWrite;
  /** The account that wrote it. */
  by?: number;
  connected?: boolean;
  payload?: (event: ForgeEvent, ports: TranslatePorts) => Promise<JsonObject>;
  over?: Partial<ForgeDescriptor>;
  /** What a replayed event is about, by route, as it is now. */
  now?: Readonly<Record<string, JsonObject>>;
}

function rig({ cause, by = 7, connected = true, payload, over = {}, now }: RigOptions = {}) {
  const built: TranslatePorts[] = [];
  const asked: (readonly string[])[] = [];
  const associated: string[] = [];
  const forge: ForgeDescriptor = {
    ...toy,
    parse: () => ({ payload: {} }),
    async payload(_delivery, event, ports) {
      built.push(ports);
      return payload === undefined ? structuredClone(commented) : payload(event, ports);
    },
    ...over,
  };
  const credential = connectionCredential(connectionTo(forge));
  const connections = {
    app: { endpoint: forge.endpoint('https://app.test') },
    ofHook: async () => (connected ? credential : undefined),
    presented: async (_scope: DeliveryScope, told: JsonObject) => ({ ...told, installation: { id: 9 } }),
  } as unknown as Connections;
  const virtual: VirtualForges = {
    fetchFor: () => fetch,
    associate: async (_credential, written) => {
      for (const { place, author, set } of written) {
        associated.push(`${author.login} in ${place.owner}/${place.repo}`);
        set('MEMBER');
      }
    },
    recordsFor: () => createMemoryRecords(),
    requestFor: () => async (route) => {
      asked.push([route]);
      return {};
    },
  };
  const translation = createTranslation({
    forges: new Map([[forge.id, forge]]),
    connections,
    virtual,
    loops: {
      note: async () => undefined,
      causeOf: async (_place, traces) => (traces.some((trace) => left(by).has(trace)) ? cause : undefined),
    },
    askAs: async () => now && (async (route) => ({ data: now[route] })),
  });
  const scope = { forge: 'toy', host: 'forge.test' } as DeliveryScope;
  const event = (over_: Partial<DeliveredEvent> = {}) =>
    ({
      deliveryId: 1n,
      forge: 'toy',
      host: 'forge.test',
      source: 'webhook',
      eventType: 'remark',
      eventIndex: 0,
      eventName: 'issue_comment',
      action: 'created',
      change: null,
      contentType: 'application/json',
      receivedAt: new Date(),
      body: Buffer.from('{}'),
      ...over_,
    }) as DeliveredEvent;
  return {
    built,
    asked,
    associated,
    translate: (more: Partial<DeliveredEvent> = {}, wanted: readonly string[] = []) =>
      translation.translate(event(more), scope, new Set(wanted)),
  };
}

/** Of what is one event. */
const payloadOf = (translated: Translated) => {
  if (translated.kind === 'ignored') throw new Error(translated.reason);
  expect(translated.payloads).toHaveLength(1);
  return translated.payloads[0]?.payload as Record<string, Record<string, Record<string, unknown>>>;
};

describe('what the forge is asked for', () => {
  it('is shared between the apps of one event; each gets a copy of its own', async () => {
    const { translate, built } = rig();
    const [one, two] = await Promise.all([translate(), translate()]);
    expect(built).toHaveLength(1);
    expect(one).toEqual(two);
    const [first, second] = [payloadOf(one), payloadOf(two)];
    Object.assign(first.issue ?? {}, { number: 99 });
    expect(second.issue?.number).toBe(3);
    expect(payloadOf(await translate()).issue?.number).toBe(3);
    expect(built).toHaveLength(1);
  });

  it('is asked anew for another delivery, another event of it, and an app that reads more', async () => {
    const { translate, built } = rig();
    await translate();
    await translate({ deliveryId: 2n });
    await translate({ eventIndex: 1 });
    await translate({}, ['pull_request.additions']);
    expect(built.map(({ wanted }) => [...wanted])).toEqual([[], [], [], ['pull_request.additions']]);
  });

  it('tells what authors are to the repository, where the app reads it and the delivery does not say', async () => {
    const unsaid = { author_association: 'NONE' };
    const { issue, comment } = commented as Record<string, JsonObject>;
    const payload = async () => ({
      ...commented,
      issue: { ...issue, author_association: 'OWNER' },
      comment: { ...comment, ...unsaid },
    });
    const silent = rig({ payload });
    expect(payloadOf(await silent.translate()).comment).toMatchObject(unsaid);
    expect(silent.associated).toEqual([]);
    const { translate, associated } = rig({ payload });
    const told = await translate({}, ['issue.author_association', 'comment.author_association']);
    expect(payloadOf(told)).toMatchObject({
      issue: { author_association: 'OWNER' },
      comment: { author_association: 'MEMBER' },
    });
    expect(associated).toEqual(['maintainer in acme/web']);
  });

  it('is told of a replayed event too, whose comment and issue were read again', async () => {
    const { issue, comment } = commented as Record<string, JsonObject>;
    const bare = { author_association: 'NONE' };
    const { translate } = rig({
      now: {
        'GET /repos/{owner}/{repo}/issues/comments/{comment_id}': { ...comment, ...bare, body: 'Edited' },
        'GET /repos/{owner}/{repo}/issues/{issue_number}': { ...issue, ...bare },
      },
    });
    const told = await translate({ refresh: true }, ['comment.author_association']);
    expect(payloadOf(told)).toMatchObject({
      issue: bare,
      comment: { body: 'Edited', author_association: 'MEMBER' },
    });
  });

  it('is asked again when it could not be reached', async () => {
    const failing = { left: 1 };
    const { translate, built } = rig({
      async payload() {
        failing.left -= 1;
        if (failing.left >= 0) throw new Error('unreachable');
        return commented;
      },
    });
    await expect(translate()).rejects.toThrow('unreachable');
    await expect(translate()).resolves.toMatchObject({ kind: 'payloads' });
    expect(built).toHaveLength(2);
  });

  it('goes through the connection of the hook, with its records; without one nothing is asked', async () => {
    const connected = rig();
    await connected.translate();
    expect(connected.built).toMatchObject([
      {
        base: { api: 'https://forge.test/api/v3', web: 'https://forge.test' },
        github: expect.any(Function),
        records: { put: expect.any(Function) },
      },
    ]);
    const alone = rig({ connected: false });
    await alone.translate();
    expect(alone.built[0]).not.toHaveProperty('github');
    expect(alone.built[0]).not.toHaveProperty('records');
    expect(alone.built[0]?.base.web).toBe('https://forge.test');
  });
});

describe('an event that our own write caused', () => {
  const cause = { app: 'greeter', depth: 1 };

  it('shows a bot as its sender and as the author of what was written, whoever the token belongs to', async () => {
    const translated = await rig({ cause }).translate();
    expect(translated).toMatchObject({ kind: 'payloads', payloads: [{ loopDepth: 1 }] });
    const { sender: shown, comment, issue } = payloadOf(translated);
    expect([shown?.type, comment?.user?.type, issue?.user?.type]).toEqual(['Bot', 'Bot', 'User']);
  });

  it('leaves what somebody else wrote to its author', async () => {
    const payload = async () => ({ ...commented, comment: { id: 77, user: { id: 8, login: 'bob', type: 'User' } } });
    const { comment } = payloadOf(await rig({ cause, payload }).translate());
    expect(comment?.user?.type).toBe('User');
  });

  it.each([
    [1, 'payloads'],
    [2, 'payloads'],
    [3, 'ignored'],
    [7, 'ignored'],
  ])('at depth %i is %s', async (depth, kind) => {
    const translated = await rig({ cause: { app: 'greeter', depth } }).translate();
    expect(translated.kind).toBe(kind);
    if (translated.kind === 'ignored') expect(translated.reason).toMatch(new RegExp(`loop.*${depth}.*greeter`));
  });

  it('is shown as it is when nobody of ours wrote it, or on a forge that marks its bots itself', async () => {
    expect(payloadOf(await rig().translate()).sender?.type).toBe('User');
    const own = await rig({ cause, over: { routes: undefined } }).translate();
    expect(own).toMatchObject({ payloads: [{ loopDepth: 0, payload: { sender: { type: 'User' } } }] });
  });

  it('is not one that somebody else caused, though it is about what we wrote to', async () => {
    for (const depth of [1, 9]) {
      const payload = async () => ({ ...commented, sender: { id: 8, login: 'bob', type: 'User' } });
      const translated = await rig({ cause: { app: 'greeter', depth }, payload }).translate();
      expect(translated).toMatchObject({
        kind: 'payloads',
        payloads: [{ loopDepth: 0, payload: { sender: { type: 'User' } } }],
      });
    }
  });

  it('is known by a connection of another account to the same repository, however often it goes round', async () => {
    const payload = async () => ({ ...commented, sender: { id: 12, login: 'other-bot', type: 'User' } });
    const first = await rig({ cause, by: 12, payload }).translate();
    expect(first).toMatchObject({ payloads: [{ loopDepth: 1, payload: { sender: { id: 12, type: 'Bot' } } }] });
    const last = await rig({ cause: { app: 'greeter', depth: 3 }, by: 12, payload }).translate();
    expect(last).toMatchObject({ kind: 'ignored', reason: expect.stringMatching(/loop was cut/) });
    // Its own account did the same by hand.
    const own = await rig({ cause, by: 12 }).translate();
    expect(own).toMatchObject({ payloads: [{ loopDepth: 0, payload: { sender: { type: 'User' } } }] });
  });

  it('may be one of which the forge does not say who caused it', async () => {
    const payload = async () => ({ ...commented, sender: { id: 0, login: 'ghost', type: 'User' } });
    expect(await rig({ cause, payload }).translate()).toMatchObject({ kind: 'payloads', payloads: [{ loopDepth: 1 }] });
  });

  it('needs no sender', async () => {
    const { sender: _, ...without } = commented;
    const translated = await rig({ cause, payload: async () => without }).translate();
    expect(translated).toMatchObject({ kind: 'payloads', payloads: [{ loopDepth: 1 }] });
  });
});

describe('a delivery', () => {
  it('that we made ourselves is in GitHub’s shape already', async () => {
    const { translate, built } = rig();
    const translated = await translate({ source: 'forgeway', body: Buffer.from('{"action":"created"}') });
    expect(payloadOf(translated)).toMatchObject({ action: 'created', installation: { id: 9 } });
    expect(built).toEqual([]);
  });

  it('of a forge that is gone is ignored with a reason', async () => {
    expect(await rig().translate({ forge: 'gone' })).toMatchObject({
      kind: 'ignored',
      reason: expect.stringContaining('gone'),
    });
  });

  it('whose body cannot be read is refused for good', async () => {
    const { translate } = rig({ over: { parse: () => ({ invalid: 'The body is not JSON.' }) } });
    await expect(translate()).rejects.toMatchObject({ code: 'FORGEWAY_PAYLOAD_INVALID' });
  });

  it('hands its action and what changed to the forge’s folder', async () => {
    const events: ForgeEvent[] = [];
    const { translate } = rig({
      async payload(event) {
        events.push(event);
        return commented;
      },
    });
    await translate({ change: { label: { name: 'bug' } } });
    await translate({ eventIndex: 1, action: null });
    expect(events).toEqual([
      { name: 'issue_comment', action: 'created', change: { label: { name: 'bug' } } },
      { name: 'issue_comment' },
    ]);
  });

  it('says where it is from, and nothing for the forge’s own cloud', async () => {
    expect(await rig().translate()).toMatchObject({ instanceUrl: 'https://forge.test' });
    expect(await rig({ over: { cloudUrl: 'https://forge.test' } }).translate()).toMatchObject({ instanceUrl: null });
  });
});
