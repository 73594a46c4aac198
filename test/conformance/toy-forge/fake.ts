/** The toy over HTTP, with people who use it. Lists come in pages of three, each naming the next by a cursor. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FakePerson, FakePlace, ForgeFake, ForgeFakeOptions } from '../../../src/forges/kit/fake/forge-fake.js';
import { createFakeWebhooks } from '../../../src/forges/kit/fake/webhook-sender.js';
import { idOf } from './convert.js';
import type { NativeMatter, NativePerson, NativeRemark } from './schema.js';
import { sealOf } from './verify.js';
import { type Args, createWorld, type Shelf, Trouble } from './world.js';

const MOST = 3;
const BOT = 'toy-bot';
const TOKEN = 'toy_0123456789abcdef';
const pathOf = ({ owner, name }: FakePlace) => `${owner}/${name}`;

async function argsOf(request: IncomingMessage, url: URL): Promise<Args> {
  if (request.method === 'GET') return Object.fromEntries(url.searchParams);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}') as Args;
}

function pageOf(value: unknown, args: Args): object {
  if (!Array.isArray(value)) return { value };
  const start = args.after === undefined ? 0 : Number(Buffer.from(String(args.after), 'base64url').toString().slice(2));
  const end = start + MOST;
  const more = end < value.length ? Buffer.from(`c:${end}`).toString('base64url') : null;
  return { value: value.slice(start, end), more };
}

export async function startFake(options: ForgeFakeOptions): Promise<ForgeFake> {
  const state = { deliveries: 0 };
  const violations: string[] = [];
  const clock = options.clock ?? (() => new Date());
  const hooks = createFakeWebhooks({
    headers({ event }, { secret }, body) {
      state.deliveries += 1;
      const sent = String(Math.floor(clock().getTime() / 1000));
      const seal = sealOf(secret, sent, body);
      return { 'x-toy-topic': event, 'x-toy-parcel': `p${state.deliveries}`, 'x-toy-sent': sent, 'x-toy-seal': seal };
    },
    ...(options.sendWebhook && { fetch: options.sendWebhook as typeof fetch }),
  });
  const world = createWorld({
    clock,
    tell: (shelf, by, { topic, deed, body }) =>
      void hooks.send(shelf.bells, { event: topic, payload: { deed, shelf: shelf.native, by, ...body } }),
  });
  const bot = world.addPerson(BOT, true);

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://toy');
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    try {
      const verb = /^\/wire\/call\/([a-z]+\.[a-z]+)$/.exec(url.pathname)?.[1] ?? '';
      if (request.headers.authorization !== `Toy ${TOKEN}`) throw new Trouble(401, 'stranger', 'Who are you?');
      const args = await argsOf(request, url);
      answer(200, pageOf(world.call(bot, verb, args), args));
    } catch (error) {
      if (!(error instanceof Trouble)) violations.push(`${url.pathname}: ${String(error)}`);
      if (error instanceof Trouble && error.code === 'no-such-verb') violations.push(error.message);
      const trouble = error instanceof Trouble ? error : new Trouble(500, 'broken', String(error));
      answer(trouble.status, { trouble: { code: trouble.code, text: trouble.message } });
    }
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));

  const shelfOf = (place: FakePlace): Shelf => {
    const shelf = world.shelves.get(pathOf(place));
    if (shelf === undefined) throw new Error(`There is no shelf ${pathOf(place)}.`);
    return shelf;
  };
  const personOf = (login: string): NativePerson => {
    const person = world.people.get(login);
    if (person === undefined) throw new Error(`Nobody is called ${login}.`);
    return person;
  };

  function as(login: string, place: FakePlace): FakePerson {
    const [by, shelf] = [personOf(login), shelfOf(place)];
    const call = <T>(verb: string, args: Args) => world.call(by, verb, { shelf: pathOf(place), ...args }) as T;
    const edit = async (no: number, change: Args) => void call('matter.edit', { no, ...change });
    const matter = (no: number) => call<NativeMatter>('matter.show', { no });
    const words = (no: number) => matter(no).stickers.map(({ word }) => word);
    const cannot = async (): Promise<never> => {
      throw new Error('The toy cannot do that.');
    };
    return {
      async push({ branch, from = shelf.native.trunk, files, message }) {
        const before = shelf.lines.get(branch) ?? shelf.lines.get(from) ?? '';
        const tree = { ...shelf.commits.get(before)?.tree, ...files };
        const kept = Object.entries(tree).filter((entry): entry is [string, string] => entry[1] !== null);
        const args = { line: branch, from, says: message, tree: Object.fromEntries(kept) };
        return world.commit(shelf, by, args).sha;
      },
      deleteBranch: async (branch) => void shelf.lines.delete(branch),
      openPullRequest: async ({ head, base = shelf.native.trunk, title, body }) =>
        call<NativeMatter>('matter.open', { sort: 'proposal', heading: title, text: body, from: head, into: base }).no,
      editPullRequest: (no, { title, body }) => edit(no, { heading: title, text: body }),
      mergePullRequest: async (no) => void call('proposal.merge', { no }),
      requestReview: cannot,
      review: cannot,
      openIssue: async ({ title, body, labels }) =>
        call<NativeMatter>('matter.open', { sort: 'ticket', heading: title, text: body, stickers: labels }).no,
      editIssue: (no, { title, body }) => edit(no, { heading: title, text: body }),
      close: (no) => edit(no, { stage: 'shut' }),
      reopen: (no) => edit(no, { stage: 'open' }),
      label: async (no, names) => edit(no, { stickers: [...words(no), ...names] }),
      unlabel: async (no, names) => edit(no, { stickers: words(no).filter((word) => !names.includes(word)) }),
      assign: async (no, logins) =>
        edit(no, { helpers: [...matter(no).helpers.map(({ handle }) => handle), ...logins] }),
      comment: async (no, body) => String(idOf(call<NativeRemark>('remark.write', { no, text: body }).key)),
      setStatus: async (tip, { context, state: word, description }) => {
        const light = word === 'success' ? 'green' : word === 'pending' ? 'amber' : 'red';
        call('mark.set', { tip, label: context, light, say: description });
      },
      release: cannot,
    };
  }

  const conversation = (shelf: Shelf, matter: NativeMatter) => ({
    number: matter.no,
    title: matter.heading,
    body: matter.text ?? '',
    author: matter.by?.handle ?? '',
    labels: matter.stickers.map(({ word }) => word).sort(),
    assignees: matter.helpers.map(({ handle }) => handle).sort(),
    locked: false,
    comments: shelf.remarks
      .filter(({ no }) => no === matter.no)
      .map(({ by, text }) => ({ author: by?.handle ?? '', body: text })),
  });
  const COLOURS = { amber: 'pending', green: 'success', red: 'failure' } as const;

  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    token: TOKEN,
    bot: { id: BigInt(idOf(bot.key)), login: BOT },
    addPerson: async (login) => void world.addPerson(login),
    async addRepository({ private: secret = false, files = { 'README.md': '# Toy\n' }, people = {}, ...place }) {
      const names = { read: 'reader', write: 'writer', admin: 'keeper' };
      const roles = Object.fromEntries(Object.entries(people).map(([login, role]) => [login, names[role]]));
      const shelf = world.addShelf(pathOf(place), { secret, roles: { ...roles, [BOT]: 'keeper' } });
      world.commit(shelf, bot, { line: 'main', says: 'Begin', tree: files });
      return { id: BigInt(idOf(shelf.native.key)), url: `${url}/${pathOf(place)}`, defaultBranch: 'main' };
    },
    addHook: async (place, hook) => void world.call(bot, 'bell.hang', { shelf: pathOf(place), ...hook }),
    as,
    async readFile(place, ref, path) {
      const shelf = shelfOf(place);
      return shelf.commits.get(shelf.lines.get(ref) ?? ref)?.tree[path];
    },
    async state(place) {
      const shelf = shelfOf(place);
      const proposals = shelf.matters.filter(({ sort }) => sort === 'proposal');
      return {
        defaultBranch: shelf.native.trunk,
        branches: [...shelf.lines].map(([name, sha]) => ({ name, sha })).sort((a, b) => (a.name < b.name ? -1 : 1)),
        tags: [],
        labels: shelf.stickers.map(({ word }) => word).sort(),
        releases: [],
        issues: shelf.matters
          .filter(({ sort }) => sort === 'ticket')
          .map((one) => ({ ...conversation(shelf, one), state: one.stage === 'open' ? 'open' : 'closed' })),
        pullRequests: proposals.map((one) => ({
          ...conversation(shelf, one),
          state: one.stage === 'shut' ? 'closed' : one.stage,
          draft: false,
          head: one.from?.line ?? '',
          headSha: one.from?.tip ?? '',
          base: one.into?.line ?? '',
          reviewers: [],
          reviews: [],
          lineComments: [],
          statuses: [
            ...new Map(shelf.marks.filter(({ tip }) => tip === one.from?.tip).map((m) => [m.label, m])).values(),
          ]
            .map(({ label: context, light, say }) => ({ context, state: COLOURS[light], description: say ?? '' }))
            .sort((a, b) => (a.context < b.context ? -1 : 1)),
        })),
      };
    },
    settled: () => hooks.settled(),
    violations: () => violations,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
