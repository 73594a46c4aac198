/** The demo's steps: what Alice does, and what is read back from outside after it. */
import { identifyProcess, isStillRunning, type ProcessIdentity } from '../src/store/embedded/process-identity.js';
import { loggedPhases, sizeOf } from './forgeway-log.js';
import { deliveries, openPage, portRefuses, previews, pulls, type ShownPreview } from './observe.js';
import { Pending, poll } from './poll.js';
import { processesIn } from './process-table.js';
import { assertThat, namesOf, settledStates, short } from './story-checks.js';
import type { StoryForge } from './story-forge.js';
import type { World } from './world.js';

export interface Step {
  name: string;
  /** Resolves with what to show beside the name. @throws Error when it did not happen. */
  run(): Promise<string>;
}

const headlines = { first: 'Acme makes springs', second: 'Acme makes rocket skates' };

/** One pull request from its opening to its end, with what is known about it so far. */
export class Story {
  readonly #world: World;
  readonly #forge: StoryForge;
  readonly #branch: string;
  readonly #signal: AbortSignal;
  readonly #seen = new Set<string>();
  readonly #shas: string[] = [];
  #number = 0;
  /** Size of Forgeway's log before the newest push. */
  #logOffset = 0;
  #commentId: string | undefined;
  #preview: ShownPreview | undefined;
  /** Those of the preview that is live; a later process with the same pid is another one. */
  #processes: ProcessIdentity[] = [];

  /** @param stopped ends every wait at once */
  constructor(world: World, forge: StoryForge, branch: string, stopped: AbortSignal) {
    this.#world = world;
    this.#forge = forge;
    this.#branch = branch;
    this.#signal = AbortSignal.any([stopped, world.server.ended]);
  }

  get number(): number {
    return this.#number;
  }

  get previewUrl(): string | null {
    return this.#preview?.url ?? null;
  }

  /** From the installation of the App, or the connection, to the closed pull request. */
  steps(): Step[] {
    const { begin } = this.#forge;
    return [
      { name: begin.name, run: () => this.#begin() },
      this.#stored(...begin.stored),
      { name: 'pull request opened', run: () => this.#open() },
      this.#stored('pull_request', 'opened'),
      ...this.#previewSteps('preview ready'),
      { name: 'comment posted', run: () => this.#commentShows('Ready', true) },
      { name: 'commit status set', run: () => this.#statusSet() },
      { name: 'second commit pushed', run: () => this.#pushSecond() },
      this.#stored('pull_request', 'synchronize'),
      ...this.#previewSteps('second commit live'),
      { name: 'comment edited in place', run: () => this.#commentShows('Ready', false) },
      { name: 'commit status set', run: () => this.#statusSet() },
      { name: 'Alice comments', run: () => this.#aliceComments() },
      this.#stored('issue_comment', 'created'),
      { name: 'pull request closed', run: () => this.#close() },
      this.#stored('pull_request', 'closed'),
      { name: 'closed and removed', run: () => this.#removed() },
      { name: 'comment says so', run: () => this.#commentShows('Removed', false) },
      { name: 'nothing left undone', run: () => this.#allSettled() },
    ];
  }

  /** A fresh pull request to look at. */
  shortSteps(): Step[] {
    return [
      { name: 'pull request opened', run: () => this.#open() },
      ...this.#previewSteps('preview ready'),
      { name: 'comment posted', run: () => this.#commentShows('Ready', true) },
    ];
  }

  get #head(): string {
    return this.#shas.at(-1) ?? '';
  }

  #wait<T>(what: string, ask: () => Promise<T | Pending>): Promise<T> {
    return poll(ask, { what, signal: this.#signal });
  }

  async #begin(): Promise<string> {
    // With --keep-data there are deliveries of earlier runs.
    for (const { id } of await this.#deliveries()) this.#seen.add(id);
    return this.#forge.begin.run();
  }

  #deliveries(event?: string) {
    return deliveries(this.#world.server, { forge: this.#forge.id, ...(event !== undefined && { event }) });
  }

  async #open(): Promise<string> {
    this.#logOffset = await sizeOf(this.#world.folder.log);
    this.#shas.push(await this.#forge.changeHeadline(this.#branch, headlines.first, 'A new headline'));
    const body = 'Springs sell better than anvils.';
    this.#number = await this.#forge.openPullRequest(this.#branch, 'A new headline', body);
    return `#${this.#number} by alice, head ${short(this.#head)}`;
  }

  /** The forge says that Forgeway answered 2xx, where it keeps that, and Forgeway has the delivery and is done with it. */
  #stored(event: string, action: string): Step {
    const isNew = (one: { action: string | null }, id: string) => one.action === action && !this.#seen.has(id);
    const run = async () => {
      const told = await this.#told(event, action, isNew);
      const stored = await this.#wait(`the storing of ${event}.${action}`, async () => {
        const listed = await this.#deliveries(event);
        return listed.find((one) => isNew(one, one.id)) ?? new Pending(`Forgeway lists ${namesOf(listed)}`);
      });
      this.#seen.add(stored.id);
      return `${`${event}.${action}`.padEnd(26)}  ${told ?? stored.event}`;
    };
    return { name: 'delivery stored', run };
  }

  async #told(event: string, action: string, isNew: (one: { action: string | null }, id: string) => boolean) {
    const { sent: listSent, label } = this.#forge;
    if (listSent === undefined) return undefined;
    const sent = await this.#wait(`the delivery of ${event}.${action}`, async () => {
      const listed = await listSent();
      const found = listed.find((one) => one.event === event && isNew(one, one.guid));
      return found ?? new Pending(`${label} sent ${namesOf(listed)}`);
    });
    assertThat(sent.status === 202, `${label} was answered ${sent.status || 'nothing'} instead of 202`);
    this.#seen.add(sent.guid);
    return `${sent.status}  in ${Math.round(sent.seconds * 1000)} ms`;
  }

  #previewSteps(readyName: string): Step[] {
    return [
      { name: 'pull request synced', run: () => this.#synced('open') },
      { name: 'preview building', run: () => this.#building() },
      { name: readyName, run: () => this.#ready() },
    ];
  }

  async #synced(state: string): Promise<string> {
    const pull = await this.#wait(`the sync of pull request #${this.#number}`, async () => {
      const one = (await pulls(this.#world.server)).find((row) => row.headSha === this.#head);
      if (one === undefined) return new Pending('Forgeway does not have its head commit');
      const complete = one.state === state && one.number === this.#number && one.commits === this.#shas.length;
      return complete ? one : new Pending(`it is ${one.state} with ${one.commits} commit(s)`);
    });
    return `#${pull.number} ${pull.state}, head ${short(pull.headSha)}, ${pull.commits} commit(s)`;
  }

  /**
   * By what Forgeway logged since the push, which is never lost: it writes only the last state to the forge, so that on a
   * slow machine nothing is left there of a short build. The forge's own word is shown where it has one.
   */
  async #building(): Promise<string> {
    const { server, folder } = this.#world;
    return this.#wait('the build of the preview', async () => {
      const statuses = await this.#statuses();
      const failure = statuses.find(({ state }) => state === 'failure' || state === 'error');
      assertThat(failure === undefined, `the preview failed: ${failure?.description}`);
      // Asked before the log is read: a build that it shows as done is in the log by then.
      const preview = (await previews(server)).find((row) => row.sha === this.#head);
      const phases = await loggedPhases(folder.log, this.#logOffset, { number: this.#number, sha: this.#head });
      const pending = statuses.find(({ state }) => state === 'pending');
      if (phases.includes('building'))
        return `${short(this.#head)}, ${pending ? `status ${pending.context} was pending: ${pending.description}` : 'as Forgeway logged'}`;
      assertThat(preview?.phase !== 'ready', 'the preview is ready, and Forgeway logged no build of it');
      return new Pending(`Forgeway logged ${phases.join(', ') || 'nothing'} of ${short(this.#head)}`);
    });
  }

  async #ready(): Promise<string> {
    const { server } = this.#world;
    const preview = await this.#wait('the preview', async () => {
      const one = (await previews(server)).find((row) => row.sha === this.#head);
      assertThat(one?.phase !== 'failed', `the preview failed: ${one?.message ?? 'no message'}`);
      return one?.phase === 'ready' && one.url !== null
        ? one
        : new Pending(`the preview is ${one?.phase ?? 'not there'}`);
    });
    const sha = await this.#forge.revParse(this.#branch);
    const page = await openPage(preview.url ?? '');
    assertThat(page.status === 200, `${preview.url} answers ${page.status}`);
    assertThat(page.body.includes(sha), `${preview.url} does not show ${sha}, which git rev-parse says`);
    const headline = this.#shas.length === 1 ? headlines.first : headlines.second;
    assertThat(page.body.includes(headline), `${preview.url} does not show "${headline}"`);
    this.#preview = preview;
    this.#processes = (await Promise.all(preview.pids.map(identifyProcess))).filter((found) => found !== null);
    assertThat(this.#processes.length > 0, 'the preview has no process');
    return `${preview.url}  shows ${short(sha)}, as git rev-parse`;
  }

  async #commentShows(word: string, isNew: boolean): Promise<string> {
    const { bot } = this.#forge;
    const found = await this.#wait(`a comment that says "${word}"`, async () => {
      const listed = (await this.#forge.comments(this.#number)).filter(({ author }) => author === bot);
      assertThat(listed.length < 2, `${bot} posted ${listed.length} comments instead of one`);
      const [one] = listed;
      if (one === undefined) return new Pending('there is none by the bot');
      const { body } = one;
      const current = body.includes(word) && (word === 'Removed' || body.includes(short(this.#head)));
      return current ? one : new Pending(`it says: ${body.split('\n').slice(1).join(' ').trim().slice(0, 200)}`);
    });
    assertThat(found.body.startsWith('<!-- forgeway:status v1 '), 'the comment has no marker on its first line');
    assertThat(isNew || found.id === this.#commentId, 'another comment was posted instead of editing the first');
    this.#commentId = found.id;
    return `by ${found.author}: ${word}`;
  }

  /** Those of the preview: a workspace of the repository has one of its own. */
  async #statuses() {
    const listed = await this.#forge.statuses(this.#number, this.#head);
    return listed.filter(({ context }) => context === 'forgeway/preview');
  }

  async #statusSet(): Promise<string> {
    const found = await this.#wait('the commit status', async () => {
      const [newest] = await this.#statuses();
      return newest?.state === 'success'
        ? newest
        : new Pending(`${short(this.#head)} is ${newest?.state ?? 'without one'}`);
    });
    return `${found.context} is ${found.state} on ${short(this.#head)}`;
  }

  async #pushSecond(): Promise<string> {
    this.#logOffset = await sizeOf(this.#world.folder.log);
    this.#shas.push(await this.#forge.changeHeadline(this.#branch, headlines.second, 'An even better headline'));
    return `${short(this.#shas[0] ?? '')} → ${short(this.#head)}`;
  }

  async #aliceComments(): Promise<string> {
    await this.#forge.comment(this.#number, 'Looks good to me.');
    return `"Looks good to me."`;
  }

  async #close(): Promise<string> {
    await this.#forge.close(this.#number);
    return `#${this.#number} by alice`;
  }

  /** Every delivery that the forge sent was answered 202 and has ended, done or ignored for a reason. */
  async #allSettled(): Promise<string> {
    const { label } = this.#forge;
    return this.#wait('the end of every delivery', async () => {
      const sent = (await this.#forge.sent?.()) ?? [];
      const refused = sent.filter(({ status }) => status !== 202);
      assertThat(refused.length === 0, `${label} was not answered 202 for ${namesOf(refused)}`);
      const [problem] = this.#forge.problems();
      assertThat(problem === undefined, `${label} could not answer: ${problem}`);
      const stored = await this.#deliveries();
      const open = stored.filter(({ status }) => !settledStates.includes(status));
      assertThat(!open.some(({ status }) => status === 'dead'), `a delivery is dead: ${open[0]?.reason}`);
      if (open.length > 0 || stored.length < sent.length)
        return new Pending(`${sent.length} were sent, ${stored.length} stored, open: ${namesOf(open)}`);
      const ignored = stored.filter(({ status }) => status === 'ignored');
      assertThat(
        ignored.every(({ reason }) => reason !== null),
        'a delivery was ignored without a reason',
      );
      return `${stored.length} deliveries: ${stored.length - ignored.length} done, ${ignored.length} ignored with a reason`;
    });
  }

  async #running(): Promise<number[]> {
    const still = await Promise.all(this.#processes.map(isStillRunning));
    return this.#processes.flatMap(({ pid }, index) => (still[index] ? [pid] : []));
  }

  async #removed(): Promise<string> {
    const { server, folder } = this.#world;
    const before = this.#preview;
    assertThat(before?.url != null, 'there was no preview');
    const url = before.url;
    await this.#wait('the removal of the preview', async () => {
      const one = (await previews(server)).find((row) => row.name === before.name);
      return one === undefined || one.phase === 'gone' ? true : new Pending(`the preview is ${one.phase}`);
    });
    const { status } = await openPage(url);
    assertThat(status === 404, `${url} still answers ${status}`);
    assertThat(
      before.port !== null && (await portRefuses(before.port)),
      `port ${before.port} of the preview still answers`,
    );
    const left = [...(await this.#running()), ...processesIn(`${folder.data}/previews`)];
    assertThat(left.length === 0, `processes of the preview are left: ${left.join(', ')}`);
    await this.#synced('closed');
    return `page answers 404, ${this.#processes.length} process(es) ended, none is left`;
  }
}
