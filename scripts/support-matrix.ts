/** docs/support-matrix.md: what each forge gives of GitHub's events and routes, from the tables that serve them. */
import type { ForgeDescriptor } from '../src/forges/forge.js';
import { eventsTold } from '../src/forges/kit/inbox-port.js';
import type { Support } from '../src/forges/kit/route.js';
import { forges } from '../src/forges/registry.js';
import { mutations, schema } from '../src/translate/graphql/schema.js';
import { installationRoutes } from '../src/translate/installation-routes.js';
import { skips } from '../test/conformance/forge/skips.js';
import { notGiven } from './not-given.js';

interface Given {
  support: Support;
  note?: string;
}

type Table = Readonly<Record<string, Given>>;

const all = [...forges.values()];
const translated = all.filter(({ routes }) => routes !== undefined);
const cell = (text: string) => text.replaceAll('|', '\\|');

/** Reasons, each once, in the order in which they are first needed. */
class Footnotes {
  readonly #numbers = new Map<string, number>();

  /** `partial[^7]` */
  mark({ support, note }: Given): string {
    if (note === undefined) return support;
    const number = this.#numbers.get(note) ?? this.#numbers.size + 1;
    this.#numbers.set(note, number);
    return `${support}[^${number}]`;
  }

  lines(): string[] {
    return [...this.#numbers].map(([note, number]) => `[^${number}]: ${note}`);
  }
}

function matrix(
  head: string,
  rows: readonly string[],
  columns: readonly (readonly [string, Table])[],
  notes: Footnotes,
) {
  const body = rows.map((row) => {
    const cells = columns.map(([, table]) => {
      const given = Object.hasOwn(table, row) ? table[row] : undefined;
      return given === undefined ? '–' : notes.mark(given);
    });
    return `| \`${cell(row)}\` | ${cells.join(' | ')} |`;
  });
  const labels = columns.map(([label]) => label);
  return [`| ${head} | ${labels.join(' | ')} |`, `|---|${labels.map(() => '---|').join('')}`, ...body];
}

const GIVES_ALL: Given = { support: 'exact' };
/** Told in GitHub's manner, though GitHub itself has no such event. */
const notOfGitHub = new Set(skips.filter(({ check }) => check === 'event schema').map(({ what }) => what));

/** Every event that some forge names. A name without an action stands for the actions that nobody names. */
const events = [...new Set(all.flatMap((forge) => Object.keys(eventsTold(forge) ?? {})))].sort();

function eventsOf(forge: ForgeDescriptor): Table {
  const eventSupport = eventsTold(forge);
  const entries = events.map((event) => {
    const [name = ''] = event.split('.', 1);
    return [
      event,
      eventSupport === undefined
        ? notOfGitHub.has(event)
          ? undefined
          : GIVES_ALL
        : (eventSupport[event] ?? eventSupport[name]),
    ] as const;
  });
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, Given] => entry[1] !== undefined));
}

/** By path, and then as they are read. */
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
function byPath(a: string, b: string): number {
  const [[methodA = '', pathA = ''], [methodB = '', pathB = '']] = [a.split(' '), b.split(' ')];
  if (pathA !== pathB) return pathA < pathB ? -1 : 1;
  return METHODS.indexOf(methodA) - METHODS.indexOf(methodB);
}

function totals(): string[] {
  const count = (table: Table, of: number) => {
    const given = Object.values(table);
    const how = (support: Support) => given.filter((one) => one.support === support).length;
    return `${how('exact')} / ${how('emulated')} / ${how('partial')} / ${of - given.length}`;
  };
  const rows = all.map((forge) => {
    const ofRoutes = forge.routes === undefined ? 'all, its own' : count(forge.routes, routes.length);
    return `| ${forge.label} | ${count(eventsOf(forge), events.length)} | ${ofRoutes} |`;
  });
  return [
    '| forge | events: exact / emulated / partial / none | routes: exact / emulated / partial / none |',
    '|---|---|---|',
    ...rows,
  ];
}

const routes = [...new Set(translated.flatMap((forge) => Object.keys(forge.routes ?? {})))].sort(byPath);

function graphql(): string[] {
  const queries = Object.keys(schema.getQueryType()?.getFields() ?? {}).sort();
  const names = (list: readonly string[]) => list.map((name) => `\`${name}\``).join(', ');
  return [
    'Executed over the routes above on every forge whose requests are translated. A field, argument or type that is not served',
    'is refused before anything is done, with an error that names it and the forge.',
    '',
    `Queries: ${names(queries)}.`,
    '',
    `Mutations: ${names(Object.keys(mutations).sort())}.`,
  ];
}

export function supportMatrix(): string {
  const notes = new Footnotes();
  const ours: readonly (readonly [string, Table])[] = [['every forge but GitHub', installationRoutes]];
  const excused = skips.map(
    ({ forge, check, what, reason }) =>
      `| ${forge} | ${check} | ${what === undefined ? '' : `\`${what}\``} | ${cell(reason)} |`,
  );
  return [
    '# Support matrix',
    '',
    'Made from the tables that serve apps (`eventSupport`, `ownEvents` and `routes` of each forge) by `npm run generate:docs`.',
    '',
    '- **exact**: the same event, or the same effect and answer, as on GitHub.',
    '- **emulated**: the same for an app, by other means.',
    '- **partial**: something that an app could notice is missing; the note says what.',
    '- **–**: the event is never sent; the request is answered with a 501 that names route and forge.',
    '',
    '`forgeway app inspect` shows the same for the events and routes of one app.',
    '',
    '## Totals',
    '',
    ...totals(),
    '',
    '## Events',
    '',
    'A name without an action stands for every action that has no line of its own.',
    '',
    ...matrix(
      'event',
      events,
      all.map((forge) => [forge.label, eventsOf(forge)] as const),
      notes,
    ),
    '',
    '## Routes',
    '',
    'GitHub’s own API is spoken already; there every route of it is served.',
    '',
    ...matrix(
      'route',
      routes,
      translated.map(({ label, routes: table = {} }) => [label, table] as const),
      notes,
    ),
    '',
    '## Apps and installations',
    '',
    'On a forge without Apps a connection is one installation; these are answered by Forgeway itself.',
    '',
    ...matrix('route', Object.keys(installationRoutes).sort(byPath), ours, notes),
    '',
    '## What is not given, and why',
    '',
    '| event or route | forge | why |',
    '|---|---|---|',
    ...notGiven(translated),
    '',
    '## GraphQL',
    '',
    ...graphql(),
    '',
    '## What a forge is excused from in the conformance suite',
    '',
    'One suite (`test/conformance/forge`) runs over every forge, and over a toy that only the tests know. An excuse that is not',
    'needed any more fails it.',
    '',
    '| forge | check | what | why |',
    '|---|---|---|---|',
    ...excused,
    '',
    ...notes.lines(),
    '',
  ].join('\n');
}
