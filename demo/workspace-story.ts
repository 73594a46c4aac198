/** The end of the story: a workspace on the same repository, whose pull request shows a plan and whose merge applies it. */
import { arrayOf, type JsonObject } from './emulated-github/json.js';
import { Pending, poll } from './poll.js';
import type { Step } from './story.js';
import { assertThat, short } from './story-checks.js';
import type { StoryForge } from './story-forge.js';
import type { World } from './world.js';

interface ShownRun {
  id: string;
  status: string;
  planOnly: boolean;
  commit: string;
  pullRequest: number | null;
  counts: string;
  reason: string;
}

const OVER = ['planned_and_finished', 'applied', 'errored', 'discarded', 'canceled'];
const BRANCH = 'another-shop';
const CHANGED = `variable "shops" {
  type    = set(string)
  default = ["springs", "rocket-skates", "anvils"]
}

resource "terraform_data" "shop" {
  for_each = var.shops
  input    = each.key
}

output "shops" {
  value = [for shop in terraform_data.shop : shop.output]
}
`;

export class WorkspaceStory {
  readonly #world: World;
  readonly #forge: StoryForge;
  readonly #signal: AbortSignal;
  readonly #name: string;
  #number = 0;
  #head = '';
  /** Why nothing could be planned here; undefined while Terraform is there. */
  #missing: string | undefined;
  readonly #seen = new Set<string>();

  constructor(world: World, forge: StoryForge, stopped: AbortSignal) {
    this.#world = world;
    this.#forge = forge;
    this.#name = `infra-${forge.id}`;
    this.#signal = AbortSignal.any([stopped, world.server.ended]);
  }

  steps(): Step[] {
    const { infrastructure } = this.#forge;
    return [
      { name: 'workspace linked', run: () => this.#link(infrastructure) },
      { name: 'pushed is applied', run: () => this.#applied() },
      { name: 'change proposed', run: () => this.#propose(infrastructure) },
      { name: 'plan shown', run: () => this.#planShown() },
      { name: 'merged is applied', run: () => this.#merged(infrastructure) },
    ];
  }

  #wait<T>(what: string, ask: () => Promise<T | Pending>): Promise<T> {
    return poll(ask, { what, signal: this.#signal });
  }

  async #link(infrastructure: StoryForge['infrastructure']): Promise<string> {
    const { server } = this.#world;
    const token = (await server.command(['tokens', 'create', '--name', `demo ${this.#forge.id}`])).trim();
    const connectionId = await infrastructure.connection(server, token);
    const response = await fetch(`${server.url}/api/v2/organizations/default/workspaces`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/vnd.api+json' },
      body: JSON.stringify({
        data: {
          type: 'workspaces',
          attributes: {
            ...{
              name: this.#name,
              'auto-apply': true,
              'vcs-repo-url': infrastructure.repositoryUrl,
              'vcs-branch': 'main',
            },
            'vcs-working-directory': 'infra',
          },
          relationships: { 'vcs-connection': { data: { type: 'vcs-connections', id: connectionId } } },
        },
      }),
    });
    assertThat(response.status === 201, `the workspace was answered ${response.status}: ${await response.text()}`);
    return `${this.#name}, with what is in infra/ on main`;
  }

  async #runs(): Promise<ShownRun[]> {
    const args = ['runs', 'list', '--workspace', this.#name, '--json'];
    const rows: JsonObject[] = arrayOf(JSON.parse(await this.#world.server.command(args)), 'the runs');
    return rows.map((row) => ({
      ...{
        id: String(row.id),
        status: String(row.status),
        planOnly: row.planOnly === true,
        commit: String(row.commit),
      },
      pullRequest: typeof row.pullRequest === 'number' ? row.pullRequest : null,
      counts: `${row.additions} to add, ${row.changes} to change, ${row.destructions} to destroy`,
      reason: typeof row.reason === 'string' ? row.reason : '',
    }));
  }

  /** The end of the newest run that is like this, and was not seen before. */
  async #ended(what: string, isMeant: (run: ShownRun) => boolean): Promise<ShownRun> {
    const run = await this.#wait(what, async () => {
      const listed = await this.#runs();
      const found = listed.find((one) => isMeant(one) && !this.#seen.has(one.id));
      if (found === undefined) return new Pending(`Forgeway lists ${listed.length} runs`);
      return OVER.includes(found.status) ? found : new Pending(`${found.id} is ${found.status}: ${found.reason}`);
    });
    this.#seen.add(run.id);
    if (run.status === 'errored' && /no Terraform/.test(run.reason)) this.#missing = run.reason;
    return run;
  }

  async #appliedNow(what: string): Promise<string> {
    const run = await this.#ended(what, ({ planOnly }) => !planOnly);
    if (this.#missing !== undefined) return `not applied: ${this.#missing}`;
    assertThat(run.status === 'applied', `${run.id} is ${run.status}: ${run.reason}`);
    return `${short(run.commit)}, ${run.counts}`;
  }

  #applied(): Promise<string> {
    return this.#appliedNow('the apply of what is on main');
  }

  async #propose(infrastructure: StoryForge['infrastructure']): Promise<string> {
    this.#head = await infrastructure.push(BRANCH, { 'infra/main.tf': CHANGED }, 'Two more shops');
    this.#number = await this.#forge.openPullRequest(BRANCH, 'Two more shops', 'They sell skates and anvils.');
    return `#${this.#number} by alice, head ${short(this.#head)}`;
  }

  async #planShown(): Promise<string> {
    const run = await this.#ended('the plan of the pull request', ({ pullRequest }) => pullRequest === this.#number);
    const words = this.#missing === undefined ? '2 to add, 0 to change, 0 to destroy' : 'Failed';
    if (this.#missing === undefined)
      assertThat(run.status === 'planned_and_finished', `${run.id} is ${run.status}: ${run.reason}`);
    await this.#wait('the plan in the comment', async () => {
      const { bot } = this.#forge;
      const [mine] = (await this.#forge.comments(this.#number)).filter(({ author }) => author === bot);
      if (mine === undefined) return new Pending('there is no comment by the bot');
      return mine.body.includes(`plan/${this.#name}`) && mine.body.includes(words)
        ? true
        : new Pending('it does not say so');
    });
    const status = await this.#wait('the status of the plan', async () => {
      const listed = await this.#forge.statuses(this.#number, this.#head);
      const found = listed.find(({ context }) => context === `forgeway/${this.#name}`);
      return found !== undefined && found.state !== 'pending' ? found : new Pending('there is none that is over');
    });
    return this.#missing === undefined ? `${status.state}: ${status.description}` : `not planned: ${this.#missing}`;
  }

  async #merged(infrastructure: StoryForge['infrastructure']): Promise<string> {
    await infrastructure.merge(this.#number);
    return this.#appliedNow('the apply of the merge');
  }
}
