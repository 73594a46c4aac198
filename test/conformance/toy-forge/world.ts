/** The toy itself, in memory: what there is, and every verb of its API. */
import { createHash } from 'node:crypto';
import type {
  NativeCommit,
  NativeMark,
  NativeMatter,
  NativePerson,
  NativeRemark,
  NativeShelf,
  NativeSticker,
} from './schema.js';

export type Args = Readonly<Record<string, unknown>>;

/** A refusal, in the toy's own words and numbers. */
export class Trouble extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, text: string) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

type Tree = Readonly<Record<string, string>>;
export interface Shelf {
  native: NativeShelf;
  roles: Map<string, string>;
  stickers: NativeSticker[];
  matters: NativeMatter[];
  remarks: NativeRemark[];
  marks: NativeMark[];
  lines: Map<string, string>;
  commits: Map<string, NativeCommit & { tree: Tree }>;
  bells: { key: string; url: string; secret: string }[];
}

export interface Happening {
  topic: string;
  deed: string;
  body: Args;
}

const NOTHING = '0'.repeat(40);
const gone = (what: string) => new Trouble(404, 'no-such-thing', `There is no ${what}.`);
const wrong = (text: string) => new Trouble(400, 'wrong', text);
const text = (args: Args, name: string): string => {
  const value = args[name];
  if (typeof value !== 'string' || value === '') throw wrong(`${name} is needed.`);
  return value;
};
const found = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw gone(what);
  return value;
};

export function createWorld(o: { clock: () => Date; tell(shelf: Shelf, by: NativePerson, what: Happening): void }) {
  const people = new Map<string, NativePerson>();
  const shelves = new Map<string, Shelf>();
  const counter = { last: 100 };
  const key = (letters: string) => {
    counter.last += 1;
    return `${letters}-${counter.last}`;
  };
  const now = () => o.clock().toISOString();
  const matterIn = (shelf: Shelf, no: unknown) =>
    found(
      shelf.matters.find((one) => one.no === Number(no)),
      'matter',
    );
  const tipOf = (shelf: Shelf, at: unknown) => {
    const wanted = at === undefined || at === '' ? shelf.native.trunk : String(at);
    return found(shelf.lines.get(wanted) ?? (shelf.commits.has(wanted) ? wanted : undefined), 'line or commit');
  };
  const commitAt = (shelf: Shelf, at: unknown) => found(shelf.commits.get(tipOf(shelf, at)), 'commit');
  const historyOf = (shelf: Shelf, at: unknown): NativeCommit[] => {
    const { tree: _, ...commit } = commitAt(shelf, at);
    return [commit, ...commit.before.flatMap((sha) => historyOf(shelf, sha))];
  };
  const blobOf = (content: string) => createHash('sha1').update(content).digest('hex');
  const stickerIn = (shelf: Shelf, word: unknown, make = false): NativeSticker => {
    const known = shelf.stickers.find((one) => one.word.toLowerCase() === String(word).toLowerCase());
    if (known !== undefined || !make) return found(known, 'sticker');
    const sticker = { key: key('st'), word: String(word), paint: '#EDEDED' };
    shelf.stickers.push(sticker);
    return sticker;
  };
  const personBy = (handle: unknown) => found(people.get(String(handle)), 'person');

  function commit(shelf: Shelf, by: NativePerson, args: { line: string; from?: string; says: string; tree: Tree }) {
    const before = shelf.lines.get(args.line) ?? (args.from === undefined ? undefined : tipOf(shelf, args.from));
    const old = before === undefined ? {} : (shelf.commits.get(before)?.tree ?? {});
    const sha = createHash('sha1')
      .update(`${key('co')}${args.says}`)
      .digest('hex');
    const paths = {
      added: Object.keys(args.tree).filter((path) => !(path in old)),
      changed: Object.keys(args.tree).filter((path) => path in old && old[path] !== args.tree[path]),
      gone: Object.keys(old).filter((path) => !(path in args.tree)),
    };
    const made = {
      sha,
      says: args.says,
      by: { name: by.handle, mail: `${by.handle}@toy.test` },
      at: now(),
      before: before === undefined ? [] : [before],
      paths,
    };
    shelf.commits.set(sha, { ...made, tree: args.tree });
    const from = shelf.lines.get(args.line) ?? NOTHING;
    shelf.lines.set(args.line, sha);
    o.tell(shelf, by, { topic: 'commits', deed: 'pushed', body: { line: args.line, from, to: sha, commits: [made] } });
    for (const matter of shelf.matters)
      if (matter.stage === 'open' && matter.from?.line === args.line) {
        matter.from = { line: args.line, tip: sha };
        touch(shelf, by, matter, 'changed');
      }
    return made;
  }

  function touch(shelf: Shelf, by: NativePerson, matter: NativeMatter, deed: string) {
    matter.touched = now();
    o.tell(shelf, by, { topic: 'matter', deed, body: { matter: structuredClone(matter) } });
    return matter;
  }
  const say = (shelf: Shelf, by: NativePerson, remark: NativeRemark, deed: string) => {
    const matter = structuredClone(matterIn(shelf, remark.no));
    o.tell(shelf, by, { topic: 'remark', deed, body: { matter, remark: { ...remark } } });
    return remark;
  };
  const bellIn = (shelf: Shelf, args: Args) =>
    found(
      shelf.bells.find((one) => one.key === args.key),
      'bell',
    );
  const remarkIn = (shelf: Shelf, args: Args) =>
    found(
      shelf.remarks.find((one) => one.key === args.key),
      'remark',
    );

  const verbs: Readonly<Record<string, (shelf: Shelf, by: NativePerson, args: Args) => unknown>> = {
    'shelf.show': (shelf) => shelf.native,
    'shelf.edit': (shelf, _by, { about, subjects }) =>
      Object.assign(shelf.native, about !== undefined && { about }, subjects !== undefined && { subjects }),
    'role.show': (shelf, _by, { handle }) => {
      const person = personBy(handle);
      return { role: shelf.roles.get(person.handle) ?? 'stranger', person };
    },
    'bell.list': (shelf) => shelf.bells,
    'bell.hang': (shelf, _by, args) => {
      const bell = { key: key('be'), url: text(args, 'url'), secret: text(args, 'secret') };
      shelf.bells.push(bell);
      return bell;
    },
    'bell.edit': (shelf, _by, args) =>
      Object.assign(bellIn(shelf, args), { url: text(args, 'url'), secret: text(args, 'secret') }),
    'bell.drop': (shelf, _by, args) => {
      shelf.bells.splice(shelf.bells.indexOf(bellIn(shelf, args)), 1);
      return null;
    },
    'bell.ring': (shelf, by, args) => {
      bellIn(shelf, args);
      o.tell(shelf, by, { topic: 'hello', deed: 'said', body: {} });
      return null;
    },
    'line.list': (shelf) => [...shelf.lines].map(([line, tip]) => ({ line, tip })),
    'line.show': (shelf, _by, args) => ({
      line: text(args, 'line'),
      tip: found(shelf.lines.get(text(args, 'line')), 'line'),
    }),
    'file.show': (shelf, _by, { path, at }) => {
      const content = found(commitAt(shelf, at).tree[String(path)], 'file');
      return { path, blob: blobOf(content), content: Buffer.from(content).toString('base64') };
    },
    'file.write': (shelf, by, args) => {
      const line = String(args.line ?? shelf.native.trunk);
      const content = Buffer.from(text(args, 'content'), 'base64').toString('utf8');
      const { tree } = commitAt(shelf, line);
      return commit(shelf, by, { line, says: text(args, 'says'), tree: { ...tree, [text(args, 'path')]: content } });
    },
    'commit.list': (shelf, _by, { at }) => historyOf(shelf, at),
    'commit.show': (shelf, _by, { at }) => historyOf(shelf, at)[0],
    'matter.list': (shelf, _by, { sort, stage }) =>
      shelf.matters
        .filter((one) => (sort ?? one.sort) === one.sort)
        .filter((one) => stage === undefined || (stage === 'open') === (one.stage === 'open'))
        .toReversed(),
    'matter.show': (shelf, _by, { no }) => matterIn(shelf, no),
    'matter.open': (shelf, by, args) => {
      const isProposal = args.sort === 'proposal';
      const [from, into] = [args.from, args.into].map((line) =>
        isProposal ? { line: text({ line }, 'line'), tip: found(shelf.lines.get(String(line)), 'line') } : undefined,
      );
      const matter: NativeMatter = {
        key: key('ma'),
        no: shelf.matters.length + 1,
        sort: isProposal ? 'proposal' : 'ticket',
        heading: text(args, 'heading'),
        text: typeof args.text === 'string' ? args.text : null,
        stage: 'open',
        by,
        stickers: (Array.isArray(args.stickers) ? args.stickers : []).map((word) => stickerIn(shelf, word, true)),
        helpers: [],
        made: now(),
        touched: now(),
        from,
        into,
      };
      shelf.matters.push(matter);
      return touch(shelf, by, matter, 'opened');
    },
    'matter.edit': (shelf, by, { no, stage, heading, text: words, stickers, helpers }) => {
      const matter = matterIn(shelf, no);
      Object.assign(
        matter,
        heading !== undefined && { heading },
        words !== undefined && { text: words },
        Array.isArray(stickers) && { stickers: stickers.map((word) => stickerIn(shelf, word, true)) },
        Array.isArray(helpers) && { helpers: helpers.map(personBy) },
      );
      if (stage === undefined || stage === matter.stage) return touch(shelf, by, matter, 'changed');
      if (matter.stage === 'merged') throw new Trouble(409, 'done', 'It is merged already.');
      Object.assign(matter, { stage });
      return touch(shelf, by, matter, stage === 'open' ? 'opened-again' : 'shut');
    },
    'proposal.merge': (shelf, by, { no, says }) => {
      const matter = matterIn(shelf, no);
      if (matter.sort !== 'proposal' || matter.from === undefined || matter.into === undefined) throw gone('proposal');
      if (matter.stage !== 'open') throw new Trouble(405, 'not-open', 'Only an open proposal is merged.');
      const { tree } = commitAt(shelf, matter.from.tip);
      Object.assign(matter, { stage: 'merged' });
      const made = commit(shelf, by, { line: matter.into.line, says: String(says ?? matter.heading), tree });
      Object.assign(matter, { landed: made.sha });
      return touch(shelf, by, matter, 'merged');
    },
    'proposal.changes': (shelf, _by, { no }) => {
      const { from, into } = matterIn(shelf, no);
      if (from === undefined || into === undefined) throw gone('proposal');
      const known = new Set(historyOf(shelf, into.tip).map(({ sha }) => sha));
      const commits = historyOf(shelf, from.tip).filter(({ sha }) => !known.has(sha));
      const files = commits.flatMap(({ paths }) =>
        (['added', 'changed', 'gone'] as const).flatMap((how) => paths[how].map((path) => ({ path, how }))),
      );
      return { commits: commits.toReversed(), files };
    },
    'remark.list': (shelf, _by, { no }) => {
      const matter = matterIn(shelf, no);
      return shelf.remarks.filter((one) => one.no === matter.no);
    },
    'remark.show': (shelf, _by, args) => remarkIn(shelf, args),
    'remark.write': (shelf, by, args) => {
      const at = { made: now(), touched: now() };
      const remark = { key: key('re'), no: matterIn(shelf, args.no).no, text: text(args, 'text'), by, ...at };
      shelf.remarks.push(remark);
      return say(shelf, by, remark, 'written');
    },
    'remark.edit': (shelf, by, args) =>
      say(shelf, by, Object.assign(remarkIn(shelf, args), { text: text(args, 'text'), touched: now() }), 'edited'),
    'remark.drop': (shelf, by, args) => {
      const remark = remarkIn(shelf, args);
      shelf.remarks.splice(shelf.remarks.indexOf(remark), 1);
      say(shelf, by, remark, 'dropped');
      return null;
    },
    'sticker.list': (shelf) => shelf.stickers,
    'sticker.show': (shelf, _by, { word }) => stickerIn(shelf, word),
    'sticker.make': (shelf, _by, args) => {
      const word = text(args, 'word');
      if (shelf.stickers.some((one) => one.word === word)) throw new Trouble(409, 'taken', `${word} is there already.`);
      return Object.assign(stickerIn(shelf, word, true), { paint: text(args, 'paint') });
    },
    'sticker.edit': (shelf, _by, { word, to, paint }) =>
      Object.assign(stickerIn(shelf, word), to !== undefined && { word: to }, paint !== undefined && { paint }),
    'sticker.drop': (shelf, _by, { word }) => {
      const sticker = stickerIn(shelf, word);
      shelf.stickers.splice(shelf.stickers.indexOf(sticker), 1);
      for (const matter of shelf.matters) matter.stickers = matter.stickers.filter((one) => one.key !== sticker.key);
      return null;
    },
    'mark.list': (shelf, _by, { at }) => {
      const tip = tipOf(shelf, at);
      return shelf.marks.filter((one) => one.tip === tip).toReversed();
    },
    'mark.set': (shelf, by, args) => {
      const { tree: _, ...of } = commitAt(shelf, args.tip);
      const { light, say: words } = args;
      const mark = { key: key('mk'), tip: of.sha, label: text(args, 'label'), by, made: now() };
      const made = { ...mark, light, say: typeof words === 'string' ? words : null } as NativeMark;
      shelf.marks.push(made);
      o.tell(shelf, by, { topic: 'mark', deed: 'set', body: { mark: made, commit: of } });
      return made;
    },
  };

  return {
    people,
    shelves,
    commit,
    addPerson(handle: string, robot = false): NativePerson {
      const person = { key: key('pe'), handle, robot };
      people.set(handle, person);
      return person;
    },
    addShelf(path: string, o_: { secret: boolean; roles: Readonly<Record<string, string>> }): Shelf {
      const native = { key: key('sh'), path, secret: o_.secret, trunk: 'main', about: null, subjects: [] };
      const shelf: Shelf = {
        native,
        roles: new Map(Object.entries(o_.roles)),
        stickers: [],
        matters: [],
        remarks: [],
        marks: [],
        lines: new Map(),
        commits: new Map(),
        bells: [],
      };
      shelves.set(path, shelf);
      return shelf;
    },
    /** One call of the API. @throws Trouble */
    call(by: NativePerson, verb: string, args: Args): unknown {
      if (verb === 'person.me') return by;
      if (verb === 'person.show') return personBy(args.handle);
      if (verb === 'shelf.list') return [...shelves.values()].map(({ native }) => native);
      const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
      if (run === undefined) throw new Trouble(404, 'no-such-verb', `Nobody knows how to ${verb}.`);
      return run(found(shelves.get(String(args.shelf)), 'shelf'), by, args);
    },
  };
}
