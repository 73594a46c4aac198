/** What people do during a run, chosen by chance, and what must come of it. */
import type { Happening, Heads } from './checker.js';
import type { ForgeClient } from './forge-client.js';
import type { HappeningKind } from './forge-protocol.js';
import { greeting } from './people.js';
import type { Random } from './random.js';

/** How often each is done, to one another. */
const WEIGHTS: Readonly<Record<HappeningKind, number>> = { issue: 3, comment: 5, pull: 2, sync: 2, close: 1, push: 1 };
/** Pull requests that a repository has open at a time: each costs the doubles a look at every push. */
const MOST_OPEN = 12;

type OpenedPull = Heads & { shas: string[]; closed: boolean };

interface OpenPull {
  number: number;
  token: string;
  heads: OpenedPull;
  pushes: number;
}

interface Place {
  forge: ForgeClient;
  repository: string;
  issues: number[];
  pulls: OpenPull[];
}

export interface Traffic {
  readonly happenings: Happening[];
  readonly heads: Heads[];
  /** One thing, somewhere. Resolves when the forge has done it; rejects when it refuses. */
  once(): Promise<void>;
  /** Makes whatever this kind of thing needs to be possible on this forge. */
  prepare(forge: string, kind: HappeningKind): Promise<void>;
  /** This one thing on this forge. Answers its token. */
  make(forge: string, kind: HappeningKind): Promise<string>;
  /** What can only be said when all is over: the last head of each pull request. */
  finish(): void;
}

/** @param apps names of the example apps that run beside the witness */
export function createTraffic(forges: readonly ForgeClient[], apps: ReadonlySet<string>, random: Random): Traffic {
  const happenings: Happening[] = [];
  const heads: OpenedPull[] = [];
  const places: Place[] = forges.flatMap((forge) =>
    forge.setup.repositories.map((repository) => ({ forge, repository, issues: [], pulls: [] })),
  );
  const greeted = new Set<string>();
  let count = 0;

  /** The first of each person in a repository is greeted. */
  function greetings(place: Place, kind: 'issue' | 'pull', login: string): string[] {
    const name = greeting(kind, place.repository, `@${login}`);
    const key = `${place.forge.forge} ${name}`;
    const greets = apps.has('welcome') && !(kind === 'pull' && place.forge.setup.emulated);
    if (!greets || greeted.has(key)) return [];
    greeted.add(key);
    return [`effect:${name}`];
  }

  const statuses = (sha: string): string[] => [
    ...(apps.has('semantic-titles') ? [`status:semantic:${sha}`] : []),
    ...(apps.has('dco-check') ? [`status:DCO:${sha}`] : []),
  ];

  async function make(place: Place, kind: HappeningKind): Promise<string> {
    const { forge, repository, issues, pulls } = place;
    count += 1;
    const token = `${kind}-${count}`;
    const login = random.pick(forge.setup.logins);
    const order = { kind: 'happen', what: kind, repository, login, token } as const;
    const record = (once: readonly string[], atLeastOnce: readonly string[] = []) =>
      happenings.push({ forge: forge.forge, token, once, atLeastOnce });

    if (kind === 'issue') {
      const greets = greetings(place, kind, login);
      const { number = 0 } = await forge.order(order);
      issues.push(number);
      record([`effect:${token}`, ...greets]);
    } else if (kind === 'comment') {
      await forge.order({ ...order, number: random.pick(issues) });
      record([`effect:${token}`]);
    } else if (kind === 'push') {
      await forge.order(order);
      record([`effect:${token}`]);
    } else if (kind === 'pull') {
      const greets = greetings(place, kind, login);
      const { number = 0, sha = '' } = await forge.order(order);
      const made = { forge: forge.forge, pull: `${repository}#${number}`, shas: [sha], closed: false };
      heads.push(made);
      pulls.push({ number, token, heads: made, pushes: 0 });
      record([`effect:${token}`, ...greets], statuses(sha));
    } else {
      // Taken out of the list meanwhile, so that nobody else does something to it.
      const at = Math.floor(random.next() * pulls.length);
      const [pull] = pulls.splice(at, 1);
      if (pull === undefined) throw new Error('There is no open pull request.');
      if (kind === 'close') {
        await forge.order({ ...order, number: pull.number });
        record([`effect:${pull.token}.closed`]);
        pull.heads.closed = true;
      } else {
        pull.pushes += 1;
        const { sha = '' } = await forge.order({ ...order, token: pull.token, count: pull.pushes });
        pull.heads.shas.push(sha);
        pulls.push(pull);
        record([`effect:head.${sha}`], statuses(sha));
      }
    }
    return token;
  }

  async function possible(place: Place, kind: HappeningKind): Promise<void> {
    if (kind === 'comment' && place.issues.length === 0) await make(place, 'issue');
    if ((kind === 'sync' || kind === 'close') && place.pulls.length === 0) await make(place, 'pull');
  }

  function firstOf(forge: string): Place {
    const place = places.find((one) => one.forge.forge === forge);
    if (place === undefined) throw new Error(`${forge} takes no part.`);
    return place;
  }

  return {
    happenings,
    heads,
    async once() {
      const place = random.pick(places);
      const drawn = random.weighted(WEIGHTS);
      const kind = drawn === 'pull' && place.pulls.length >= MOST_OPEN ? 'close' : drawn;
      await possible(place, kind);
      await make(place, kind);
    },
    prepare: (forge, kind) => possible(firstOf(forge), kind),
    make: (forge, kind) => make(firstOf(forge), kind),
    finish() {
      for (const { forge, pull, shas } of heads) {
        const last = shas.at(-1);
        const contexts = ['chaos/head', ...(apps.has('wip-guard') ? ['wip'] : [])];
        happenings.push({
          forge,
          token: `the last head of ${pull}`,
          once: [],
          atLeastOnce: contexts.map((context) => `status:${context}:${last}`),
        });
      }
    },
  };
}
