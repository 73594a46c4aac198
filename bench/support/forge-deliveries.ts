/** The fixtures of a forge as bodies of the size that real ones have. */
import { readdirSync, readFileSync } from 'node:fs';
import type { JsonObject } from '../../src/forges/forge.js';
import type { GitHubRequest } from '../../src/forges/kit/route.js';

export interface Delivery {
  name: string;
  eventType: string;
  body: Buffer;
  /** What was kept of the object before. */
  previous: JsonObject | undefined;
  /** What the API would answer, from memory; undefined where nothing is asked. */
  github: GitHubRequest | undefined;
}

interface Fixture {
  eventType: string;
  payload: JsonObject;
  previous?: JsonObject;
  answers?: Readonly<Record<string, unknown>>;
}

const BODY_BYTES = 20_000;
const COMMITS = 20;
const TEXTS: ReadonlySet<string> = new Set(['body', 'description', 'note', 'message', 'content']);
/** Whose descriptions are short, however long the text is that somebody wrote. */
const SHORT: ReadonlySet<string> = new Set([
  ...['repository', 'project', 'repo', 'source', 'target', 'forkee', 'organization'],
  ...['labels', 'label', 'milestone', 'changes', 'user', 'sender', 'base', 'head'],
]);

type Json = Record<string, unknown>;

/** About a kilobyte of what people write: prose with references, a list, a table, code. */
const paragraph = (at: number): string => `## Part ${at}: prices on Mondays

The total was rounded before the discount was taken off, so that orders of \`${at}.99\` were **one cent** too dear. This takes
the discount off first (see #${at}, acme/shop/web!${at} and acme/web#${at + 3}), as https://example.com/docs/rounding?part=${at} asks for.
Nobody has to migrate anything. Thanks to @alice for the report, and to @bob-the-builder for the first patch!

- [x] round once, at the end
- [ ] tell the people of #${at + 1} – they wait for it
- [x] \`npm test\` is green on [all platforms](https://ci.example.com/acme/web/pipelines/${at})

| before | after |
|-------:|------:|
| ${at}.995 | ${at}.99 |

\`\`\`ts
// #${at} is no reference here
export const total = (sum: number, discount = ${at}) => Math.round((sum - discount) * 100) / 100;
\`\`\`

> Fixes #${at + 2}, and what was said in !${at + 2}.

`;

function prose(length: number): string {
  let text = '';
  for (let at = 1; text.length < length; at += 1) text += paragraph(at);
  return text.slice(0, length);
}

/** Twenty commits where there is one, each of its own hash. */
function withCommits(payload: JsonObject): Json {
  const [commit] = Array.isArray(payload.commits) ? (payload.commits as Json[]) : [];
  if (commit === undefined) return structuredClone(payload) as Json;
  const commits = Array.from({ length: COMMITS }, (_, at) => ({
    ...commit,
    id: at === 0 ? commit.id : String(commit.id).replace(/^../, String(at + 10)),
    added: [`src/prices/part-${at}.ts`, `src/prices/part-${at}.test.ts`],
    modified: ['README.md', `src/orders/total-${at}.ts`, 'package.json'],
  }));
  return structuredClone({ ...payload, commits, total_commits_count: COMMITS, total_commits: COMMITS }) as Json;
}

/** Every long text in it, as the object that holds it and its key. */
function textsOf(value: unknown): [Json, string][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]): [Json, string][] => {
    if (typeof inner === 'string' && TEXTS.has(key)) return [[value as Json, key]];
    return SHORT.has(key) ? [] : textsOf(inner);
  });
}

/** What has no text stays as small as it is. */
function grown(fixture: JsonObject): Buffer {
  const payload = withCommits(fixture);
  const size = () => Buffer.byteLength(JSON.stringify(payload));
  const texts = textsOf(payload);
  for (const [at, [holder, key]] of texts.entries()) {
    const share = Math.floor((BODY_BYTES - size()) / (texts.length - at));
    // Line ends and quotation marks take a byte more in JSON.
    if (share > 0) holder[key] = `${holder[key]}\n\n${prose(Math.floor(share * 0.95))}`;
  }
  return Buffer.from(JSON.stringify(payload));
}

/** Of one forge; none for one that is another's flavour and has no fixtures of its own. */
export function deliveriesOf(forge: string): Delivery[] {
  const folder = new URL(`../../src/forges/${forge}/fixtures/`, import.meta.url);
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const names = files.filter((file) => file.endsWith('.json') && !file.endsWith('.github.json'));
  return names.map((file) => {
    const fixture = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Fixture;
    const { answers } = fixture;
    return {
      name: file.slice(0, -'.json'.length),
      eventType: fixture.eventType,
      body: grown(fixture.payload),
      previous: fixture.previous,
      github: answers && (async (route) => answers[route]),
    };
  });
}
