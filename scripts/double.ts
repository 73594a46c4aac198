/**
 * `npm run double -- gitea` (or gitlab, or any other forge of the registry that has one): the double of a forge to connect Forgeway
 * to, for whoever has none at hand. It has real HTTP, real git and signed webhooks, and forgets everything when it ends.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Argument, Command, InvalidArgumentError } from 'commander';
import type { FakePerson, ForgeFake } from '../src/forges/kit/fake/forge-fake.js';
import { forges } from '../src/forges/registry.js';
import { messageOf } from '../src/lib/errors.js';

const PLACE = { owner: 'acme', name: 'web' };
const PORT = 4_400;
const known = [...forges.values()].filter(({ startFake, routes }) => startFake !== undefined && routes !== undefined);

const HELP = `alice may write, bob is anybody. What you can have them do:

  issue TITLE            alice opens an issue
  comment NUMBER TEXT    alice comments; "bob comment …" has bob do it, as everywhere
  pull TITLE             alice pushes a branch and opens a pull request
  push NUMBER            alice pushes once more to a pull request
  file PATH TEXT         alice writes a file on the main branch, such as .forgeway.yml; \\n begins a new line
  label NUMBER NAME      close NUMBER      reopen NUMBER      merge NUMBER
  state                  what there is now
  help, quit
`;

type Act = (person: FakePerson, rest: string) => Promise<string>;

function numbered(rest: string): [number: number, text: string] {
  const [, number, text = ''] = /^(\d+)\s*(.*)$/s.exec(rest) ?? [];
  if (number === undefined) throw new Error('It begins with the number of an issue or a pull request.');
  return [Number(number), text];
}

function actsOn(fake: ForgeFake): Readonly<Record<string, Act>> {
  const count = { pushes: 0 };
  const push = (person: FakePerson, branch: string) => {
    count.pushes += 1;
    const files = { [`notes/${count.pushes}.md`]: `Push ${count.pushes}\n` };
    return person.push({ branch, files, message: `Note ${count.pushes}` });
  };
  const about =
    (does: (person: FakePerson, number: number, text: string) => Promise<unknown>): Act =>
    async (person, rest) => {
      const [number, text] = numbered(rest);
      await does(person, number, text);
      return `done: #${number}`;
    };
  return {
    issue: async (person, title) => `#${await person.openIssue({ title: title || 'Something is wrong' })}`,
    async pull(person, title) {
      const head = `change-${count.pushes + 1}`;
      const sha = await push(person, head);
      return `#${await person.openPullRequest({ head, title: title || 'A change' })} at ${sha}`;
    },
    async push(person, rest) {
      const [number] = numbered(rest);
      const found = (await fake.state(PLACE)).pullRequests.find((one) => one.number === number);
      if (found === undefined) throw new Error(`There is no pull request ${number}.`);
      return push(person, found.head);
    },
    async file(person, rest) {
      const [, path, text = ''] = /^(\S+)\s*(.*)$/s.exec(rest) ?? [];
      if (path === undefined) throw new Error('It begins with the path of a file.');
      const files = { [path]: `${text.replaceAll('\\n', '\n')}\n` };
      return `${path} at ${await person.push({ branch: 'main', files, message: `Write ${path}` })}`;
    },
    comment: about((person, number, text) => person.comment(number, text)),
    label: about((person, number, name) => person.label(number, [name])),
    close: about((person, number) => person.close(number)),
    reopen: about((person, number) => person.reopen(number)),
    merge: about((person, number) => person.mergePullRequest(number)),
    async state() {
      const { issues, pullRequests } = await fake.state(PLACE);
      const lines = [...issues, ...pullRequests].map(
        ({ number, title, state, labels, comments }) =>
          `#${number} ${state}: ${title}${labels.map((label) => ` [${label}]`).join('')}${comments
            .map(({ author, body }) => `\n    ${author}: ${body.replaceAll('\n', '\n      ')}`)
            .join('')}`,
      );
      return lines.length > 0 ? lines.join('\n') : 'There is no issue and no pull request yet.';
    },
  };
}

async function carryOut(fake: ForgeFake, acts: Readonly<Record<string, Act>>, line: string): Promise<string> {
  const [, login = 'alice', verb = '', rest = ''] = /^(?:(alice|bob)\s+)?(\S*)\s*(.*)$/s.exec(line.trim()) ?? [];
  if (verb === '') return '';
  const act = Object.hasOwn(acts, verb) ? acts[verb] : undefined;
  return act === undefined ? HELP : act(fake.as(login, PLACE), rest);
}

async function run(forge: string, { port }: { port: number }): Promise<void> {
  const descriptor = known.find(({ id }) => id === forge);
  if (descriptor?.startFake === undefined) throw new Error(`There is no double of ${forge}.`);
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-double-'));
  const fake = await descriptor.startFake({ folder, port });
  try {
    for (const login of ['alice', 'bob']) await fake.addPerson(login);
    await fake.addRepository({
      ...PLACE,
      files: { 'README.md': '# web\n' },
      people: { alice: 'write' },
    });
    console.log(`A double of ${descriptor.label} is at ${fake.url}, with the repository ${PLACE.owner}/${PLACE.name}.

Start Forgeway in another terminal, and connect it in a third:

  ALLOWED_PRIVATE_NETWORKS=127.0.0.0/8 PUBLIC_URL=http://127.0.0.1:3000 npm start
  echo ${fake.token} | ALLOWED_PRIVATE_NETWORKS=127.0.0.0/8 PUBLIC_URL=http://127.0.0.1:3000 \\
    npx forgeway connections add --forge ${descriptor.id} --url ${fake.url} --repo ${PLACE.owner}/${PLACE.name} --token-stdin

${HELP}`);
    const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
    process.once('SIGTERM', () => lines.close());
    const acts = actsOn(fake);
    lines.prompt();
    for await (const line of lines) {
      if (/^\s*(?:quit|exit)\s*$/.test(line)) break;
      try {
        const said = await carryOut(fake, acts, line);
        if (said !== '') console.log(said);
      } catch (error) {
        console.log(`refused: ${messageOf(error)}`);
      }
      lines.prompt();
    }
  } finally {
    await fake.close();
    await rm(folder, { recursive: true, force: true });
  }
}

await new Command('npm run double --')
  .description(
    'Runs the double of a forge, to connect Forgeway to where there is no real one. It forgets everything when it ends.',
  )
  .addArgument(new Argument('<forge>').choices(known.map(({ id }) => id)))
  .option(
    '--port <number>',
    'where it listens, on loopback',
    (text) => {
      const port = Number(text);
      if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
        throw new InvalidArgumentError('It is a number up to 65535.');
      return port;
    },
    PORT,
  )
  .action(run)
  .parseAsync();
