/**
 * Other ways to have an agent work: the issue or pull request is assigned to the agent's own account, its review is asked
 * for, or a label is put on it. Each does what the command does, for whoever did it, under the same rules.
 */
import type { Probot } from 'probot';
import { z } from 'zod';
import { forgeActor } from '../accounts/access/access.js';
import { nameOfActor } from '../accounts/access/actor.js';
import { type Decision, decide } from '../accounts/access/decide.js';
import { permissionAtLeast } from '../accounts/permissions.js';
import type { PlannedAgents } from '../jobs/agent/agents.js';
import { assignAgent } from '../jobs/agent/desired.js';
import { currentDelivery } from '../lib/delivery-scope.js';
import { id, time } from '../store/mirror/shape.js';
import { readAssigned } from './agent-work-item.js';
import { pokeWish } from './commands/agent.js';
import type { CommandOctokit, Conversation } from './commands/command.js';
import type { CommandsOptions } from './commands/commands.js';
import { type DeliveryWork, inDelivery } from './delivery-work.js';

const account = z.object({ id, login: z.string(), type: z.string().nullish() });
const item = z.object({
  number: z.number().int(),
  updated_at: time,
  pull_request: z.unknown().optional(),
});
const assignmentEvent = z.object({
  issue: item.optional(),
  pull_request: item.optional(),
  label: z.object({ name: z.string() }).nullish(),
  assignee: account.nullish(),
  requested_reviewer: account.nullish(),
  repository: z.object({ id, name: z.string(), owner: z.object({ login: z.string() }) }),
  sender: account.nullish(),
});
type AssignmentEvent = z.output<typeof assignmentEvent>;

type AssignmentOptions = CommandsOptions & { agents: PlannedAgents };

/** What a label asks for: the name of an agent; undefined when it is none of ours. */
function agentOfLabel(label: string, { label: ours, byName, default: first }: PlannedAgents): string | undefined {
  const [word, name] = label.split(':', 2).map((part) => part.trim().toLowerCase());
  if (word !== ours) return undefined;
  if (name === undefined || name === '') return first?.definition.name;
  return byName.has(name) ? name : undefined;
}

/** The account that we act as in this repository, where it is one that can be assigned. */
async function ownAccount(work: DeliveryWork, remoteRepositoryId: bigint): Promise<bigint | undefined> {
  const { rows } = await work.tx.query<{ account: string }>(
    `SELECT c.provider_account_id AS account FROM repository r JOIN installation i ON i.id = r.installation_id
       JOIN connection c ON c.id = i.connection_id
     WHERE r.forge = $1 AND r.host = $2 AND r.remote_id = $3`,
    [work.origin.forge, work.origin.host, remoteRepositoryId],
  );
  const account = rows[0]?.account;
  return account !== undefined && /^\d{1,19}$/.test(account) ? BigInt(account) : undefined;
}

interface Wanted {
  agent: string;
  kind: 'task' | 'review';
  /** What was done, for the identity of the session. */
  by: string;
}

async function wantedBy(o: AssignmentOptions, event: AssignmentEvent): Promise<Wanted | undefined> {
  const { agents } = o;
  const { label, assignee, requested_reviewer: reviewer } = event;
  if (label != null) {
    const agent = agentOfLabel(label.name, agents);
    return agent === undefined ? undefined : { agent, kind: 'task', by: `label:${label.name}` };
  }
  const given = reviewer ?? assignee;
  const first = agents.default?.definition.name;
  if (given == null || first === undefined) return undefined;
  let own: bigint | undefined;
  await inDelivery(o, async (work) => {
    own = await ownAccount(work, event.repository.id);
  });
  if (own !== given.id) return undefined;
  return { agent: first, kind: reviewer == null ? 'task' : 'review', by: reviewer == null ? 'assigned' : 'reviewer' };
}

async function decideFor(o: AssignmentOptions, event: AssignmentEvent, place: Conversation, octokit: CommandOctokit) {
  const scope = currentDelivery();
  const { sender } = event;
  if (scope === undefined || sender == null) throw new Error('a handler ran outside a delivery');
  const question = {
    repository: {
      ...{ forge: scope.forge, host: scope.host, remoteId: event.repository.id },
      ...{ owner: place.owner, name: place.repo },
    },
    user: sender,
    octokit,
  };
  const answer = await o.permissions.levelOf(question);
  if (answer.level === undefined && answer.because === 'error') throw answer.error;
  const actor = forgeActor(question, answer);
  const thing = { organizationId: scope.organizationId, name: `${place.owner}/${place.repo}#${place.number}` };
  const decision: Decision =
    scope.writes === 'rehearsal'
      ? decide(actor, 'agent.assign', thing)
      : await o.access.check(actor, 'agent.assign', thing);
  return { actor, decision, belongs: answer.level !== undefined && permissionAtLeast(answer.level, 'triage') };
}

async function onAssignment(o: AssignmentOptions, payload: unknown, octokit: CommandOctokit): Promise<void> {
  const scope = currentDelivery();
  // Our own label, or the account that we put on it, asks for nothing.
  if (scope === undefined || scope.loopDepth > 0) return;
  const event = assignmentEvent.parse(payload);
  const about = event.pull_request ?? event.issue;
  const { sender, repository } = event;
  if (about === undefined || sender == null || sender.type === 'Bot') return;
  const wanted = await wantedBy(o, event);
  const planned = wanted && o.agents.byName.get(wanted.agent);
  if (wanted === undefined || planned === undefined) return;
  const place: Conversation = {
    ...{ owner: repository.owner.login, repo: repository.name, number: about.number },
    isPullRequest:
      event.pull_request !== undefined || (about.pull_request !== undefined && about.pull_request !== null),
    remoteRepositoryId: repository.id,
  };
  const { actor, decision, belongs } = await decideFor(o, event, place, octokit);
  if (!decision.allowed) {
    o.log.info(
      { delivery: scope.deliveryKey, by: nameOfActor(actor), because: decision.because },
      'assignment refused',
    );
    if (belongs)
      await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        ...{ owner: place.owner, repo: place.repo, issue_number: place.number },
        body: `@${sender.login} you may not have an agent work here. ${decision.why}`,
      });
    return;
  }
  const found = await readAssigned(octokit, place);
  if (!found.open) return;
  await inDelivery(o, async (work) => {
    const stored = await found.mirror(work);
    const thing = `${scope.forge}:${scope.host}:${repository.id}:${place.number}`;
    pokeWish(
      work,
      await assignAgent(work.tx, {
        ...{ organizationId: scope.organizationId, repositoryId: stored.id, agent: wanted.agent, kind: wanted.kind },
        ...{ forge: stored.forge, host: stored.host, remoteRepositoryId: stored.remoteId },
        ...{ number: place.number, onPullRequest: place.isPullRequest, instructions: '', baseBranch: null },
        commandKey: `${wanted.by}:${thing}:${about.updated_at.getTime()}`,
        requester: { id: sender.id, login: sender.login },
        ...{ requestedBy: nameOfActor(actor), triggeredAt: about.updated_at, headSha: found.headSha },
        ...{ context: found.text, limits: planned.limits },
      }),
    );
  });
}

export function assignmentHandler(o: AssignmentOptions) {
  return (app: Probot): void => {
    app.on(
      [
        ...(['issues.assigned', 'issues.labeled', 'pull_request.assigned', 'pull_request.labeled'] as const),
        'pull_request.review_requested',
      ],
      ({ payload, octokit }) => onAssignment(o, payload, octokit),
    );
  };
}
