/**
 * The last part of the story: a comment has an agent work on an issue. It asks, is answered by a comment, and comes back with
 * a pull request and its preview; told to go on, it knows where that is. On all forges at once, as agents work.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { openPage } from './observe.js';
import { Pending, poll } from './poll.js';
import type { Step } from './story.js';
import { assertThat, short } from './story-checks.js';
import type { StoryForge } from './story-forge.js';
import type { World } from './world.js';

const session = z.object({
  id: z.string(),
  forge: z.string(),
  number: z.number(),
  status: z.string(),
  message: z.string().nullable(),
  failure: z.string().nullable(),
  branch: z.string().nullable(),
  sha: z.string().nullable(),
  pullRequestNumber: z.number().nullable(),
  pullRequestUrl: z.string().nullable(),
  round: z.number(),
});
type Session = z.output<typeof session>;
const sessionPage = z.object({ items: z.array(session) });

export const AGENT = 'scripted';

/** `AGENTS` of the demo. A real one differs in this list, and in nothing else: docs/guides/agents.md. */
export async function demoAgents(checkout: string): Promise<string> {
  const script = await readFile(join(checkout, 'demo/scripted-agent.mjs'), 'utf8');
  const limits = { seconds: 300, memoryMb: 512, processes: 32, diskMb: 64 };
  return JSON.stringify([{ name: AGENT, command: ['node', '--input-type=module', '--eval', script], limits }]);
}

/** What becomes of one issue on one forge. */
class AgentTask {
  readonly forge: StoryForge;
  readonly #world: World;
  readonly #signal: AbortSignal;
  readonly #token: () => string;
  #issue = 0;
  #asked = 0;
  #preview = '';

  constructor(world: World, forge: StoryForge, signal: AbortSignal, token: () => string) {
    this.#world = world;
    this.forge = forge;
    this.#signal = signal;
    this.#token = token;
  }

  #wait<T>(what: string, ask: () => Promise<T | Pending>): Promise<T> {
    return poll(ask, { what: `${what} on ${this.forge.label}`, signal: this.#signal, pauseMs: 250 });
  }

  async #session(): Promise<Session | undefined> {
    const response = await fetch(`${this.#world.server.url}/api/v1/sessions?limit=100`, {
      headers: { authorization: `Bearer ${this.#token()}` },
    });
    assertThat(response.ok, `the sessions were answered ${response.status}`);
    const { items } = sessionPage.parse(await response.json());
    return items.find(({ forge, number }) => forge === this.forge.id && number === this.#issue);
  }

  #until(what: string, isMeant: (found: Session) => boolean): Promise<Session> {
    return this.#wait(what, async () => {
      const found = await this.#session();
      if (found === undefined) return new Pending('there is no session');
      assertThat(found.status !== 'failed', `the agent failed: ${found.failure}`);
      return isMeant(found) ? found : new Pending(`the session is ${found.status}`);
    });
  }

  /** What the bot says of the agent, in its one comment on the issue. */
  #told(what: string, ...words: readonly string[]): Promise<string> {
    return this.#wait(what, async () => {
      const said = (await this.forge.comments(this.#issue)).filter(({ author }) => author === this.forge.bot);
      const found = said.find(({ body }) => body.startsWith('<!-- forgeway:status v1 '))?.body ?? 'nothing';
      const missing = words.filter((word) => !found.includes(word));
      return missing.length === 0 ? found : new Pending(`"${missing[0]}" is not in: ${found.slice(0, 300)}`);
    });
  }

  async assign(): Promise<string> {
    this.#issue = await this.forge.openIssue('Say what we make', 'The headline is too modest.');
    await this.forge.comment(this.#issue, `/assign-agent ${AGENT} in big letters`);
    return `an issue on ${this.forge.label}`;
  }

  async asks(): Promise<string> {
    this.#asked += 1;
    const { message } = await this.#until(
      'the question',
      ({ status, round }) => status === 'blocked' && round === this.#asked,
    );
    await this.#told('the question in a comment', 'What shall the headline say?', '/reply');
    return message ?? '';
  }

  async answer(): Promise<void> {
    await this.forge.comment(this.#issue, `/reply ${this.#answer}`);
  }

  get #answer(): string {
    return this.#asked === 1
      ? `Acme makes anvils for ${this.forge.label}`
      : `ACME MAKES ANVILS FOR ${this.forge.label}`;
  }

  async pushes(): Promise<string> {
    const round = this.#asked;
    const found = await this.#until('the pull request', (one) => one.status === 'in_review' && one.round === round);
    const { branch, sha, pullRequestNumber } = found;
    assertThat(branch !== null && sha !== null && pullRequestNumber !== null, 'the session has no pull request');
    assertThat((await this.forge.revParse(branch)) === sha, `${branch} is not at ${short(sha)}, as git says`);
    return `#${pullRequestNumber} at ${short(sha)}`;
  }

  async previewed(): Promise<string> {
    const { sha, pullRequestUrl } = await this.#until('the session', ({ status }) => status === 'in_review');
    const told = await this.#told('both links in one comment', `[Pull request](${pullRequestUrl})`, '[Preview](');
    this.#preview = /\[Preview\]\((\S+?)\)/.exec(told)?.[1] ?? '';
    const page = await this.#wait('the preview', async () => {
      const one = await openPage(this.#preview);
      return one.status === 200 ? one : new Pending(`${this.#preview} answers ${one.status}`);
    });
    assertThat(page.body.includes(sha ?? ''), `${this.#preview} does not show ${sha}`);
    assertThat(page.body.includes(this.#answer), `${this.#preview} does not show what the agent was told`);
    return this.#preview;
  }

  async goOn(): Promise<void> {
    const { pullRequestNumber } = await this.#until('the session', ({ status }) => status === 'in_review');
    await this.forge.comment(pullRequestNumber ?? 0, '/reply louder, please');
  }

  /** Its next round began while the preview was up. */
  async knowsPreview(): Promise<string> {
    const said = await this.asks();
    assertThat(said.includes(`Its preview is ${this.#preview} now.`), `the agent was not told of the preview: ${said}`);
    return this.#preview;
  }
}

/** @param stopped ends every wait at once */
export function agentSteps(world: World, stopped: AbortSignal): Step[] {
  const signal = AbortSignal.any([stopped, world.server.ended]);
  let token = '';
  const tasks = world.forges.map((forge) => new AgentTask(world, forge, signal, () => token));
  const onAll = (name: string, run: (task: AgentTask) => Promise<string>): Step => ({
    name,
    run: async () => (await Promise.all(tasks.map(run))).join(', '),
  });
  const quietly = (name: string, run: (task: AgentTask) => Promise<void>, words: string): Step => ({
    name,
    run: async () => {
      await Promise.all(tasks.map(run));
      return words;
    },
  });
  return [
    {
      name: 'Alice assigns an agent',
      async run() {
        token = (await world.server.command(['tokens', 'create', '--name', 'demo agents'])).trim();
        return (await Promise.all(tasks.map((task) => task.assign()))).join(', ');
      },
    },
    quietly('the agent asks', async (task) => void (await task.asks()), '"What shall the headline say?"'),
    quietly('Alice answers', (task) => task.answer(), '/reply Acme makes anvils for …'),
    onAll('it opens a pull request', (task) => task.pushes()),
    onAll('both links in one comment', (task) => task.previewed()),
    quietly('Alice wants more of it', (task) => task.goOn(), '/reply louder, please'),
    onAll('agent knows the preview', (task) => task.knowsPreview()),
    quietly('Alice answers', (task) => task.answer(), '/reply ACME MAKES ANVILS FOR …'),
    onAll('its branch moved on', (task) => task.pushes()),
  ];
}
