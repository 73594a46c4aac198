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
import { agentNamed, type PlannedAgents } from '../jobs/agent/agents.js';
import { assignAgent } from '../jobs/agent/desired.js';
import { type AgentRules, agentRulesOr } from '../jobs/agent/repository-rules.js';
import type { AskedWhen } from '../jobs/agent/stops.js';
import { currentDelivery, type DeliveryScope } from '../lib/delivery-scope.js';
import { isOwn } from '../lib/delivery-source.js';
import { id, time } from '../store/mirror/shape.js';
import { readAssigned } from './agent-work-item.js';
import { pokeWish } from './commands/agent.js';
import type { CommandOctokit, Conversation } from './commands/command.js';
import type { CommandsOptions } from './commands/commands.js';
import { askRight } from './commands/rights.js';
import { takeSenderTurn } from './commands/sender-limit.js';
import { type DeliveryWork, inDelivery } from './delivery-work.js';

const account = z.object({ id, login: z.string(), type: z.string().nullish() });
const item = z.object({
  number: z.number().int(),
  created_at: time.nullish(),
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
function agentOfLabel(label: string, agents: PlannedAgents, forge: string, rules: Rules): string | undefined {
  const ours = 'say' in rules ? agents.label : (rules.label ?? agents.label);
  const [word, name] = label.split(':', 2).map((part) => part.trim().toLowerCase());
  if (word !== ours) return undefined;
  if (name === undefined || name === '') return firstOf(agents, rules);
  return agentNamed(agents, forge, name) === undefined ? undefined : name;
}

const firstOf = (agents: PlannedAgents, rules: Rules): string | undefined =>
  ('say' in rules ? undefined : rules.default) ?? agents.default?.definition.name;

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

type Rules = AgentRules | { say: string };

interface Wanted {
  agent: string;
  rules: Rules;
  kind: 'task' | 'review';
  /** What was done, for the identity of the session. */
  by: string;
}

async function wantedBy(
  o: AssignmentOptions,
  event: AssignmentEvent,
  octokit: CommandOctokit,
): Promise<Wanted | undefined> {
  const { agents } = o;
  const { label, assignee, requested_reviewer: reviewer, repository } = event;
  const readRules = () => agentRulesOr(octokit, { owner: repository.owner.login, name: repository.name });
  if (label != null) {
    const rules = await readRules();
    const agent = agentOfLabel(label.name, agents, currentDelivery()?.forge ?? '', rules);
    return agent === undefined ? undefined : { agent, rules, kind: 'task', by: `label:${label.name}` };
  }
  const given = reviewer ?? assignee;
  if (given == null) return undefined;
  let own: bigint | undefined;
  await inDelivery(o, async (work) => {
    own = await ownAccount(work, repository.id);
  });
  if (own !== given.id) return undefined;
  const rules = await readRules();
  const agent = firstOf(agents, rules);
  if (agent === undefined) return undefined;
  return reviewer == null
    ? { agent, rules, kind: 'task', by: 'assigned' }
    : { agent, rules, kind: 'review', by: 'reviewer' };
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
  const answer = await askRight(o, question);
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
  const wanted = await wantedBy(o, event, octokit);
  const planned = wanted && agentNamed(o.agents, scope.forge, wanted.agent);
  if (wanted === undefined || planned === undefined) return;
  // The forge's own agent is handed issues.
  if (planned.handOff && event.pull_request !== undefined) return;
  const place: Conversation = {
    ...{ owner: repository.owner.login, repo: repository.name, number: about.number },
    isPullRequest:
      event.pull_request !== undefined || (about.pull_request !== undefined && about.pull_request !== null),
    remoteRepositoryId: repository.id,
  };
  const say = (text: string) =>
    octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...{ owner: place.owner, repo: place.repo, issue_number: place.number, body: `@${sender.login} ${text}` },
    });
  const turn = await takeSenderTurn(o, sender.id);
  if (!turn.heard) {
    o.log.info({ delivery: scope.deliveryKey, by: sender.login }, 'assignment not heard: its sender gives too many');
    return;
  }
  const { actor, decision, belongs } = await decideFor(o, event, place, octokit);
  if (!decision.allowed) {
    o.log.info(
      { delivery: scope.deliveryKey, by: nameOfActor(actor), because: decision.because },
      'assignment refused',
    );
    if (belongs) await say(`you may not have an agent work here. ${decision.why}`);
    return;
  }
  const { rules } = wanted;
  const refused = 'say' in rules ? rules.say : rules.objection(wanted.agent);
  if ('say' in rules || refused !== undefined) {
    await say(refused ?? '');
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
        asked: askedWhen(about, scope),
        ...{ context: found.text, limits: rules.lowered(planned.limits), handOff: planned.handOff },
      }),
    );
  });
}

/** What we have found ourselves was done some time since the issue was opened: nobody says when. */
const askedWhen = (about: z.output<typeof item>, { receivedAt, source, deliveryId }: DeliveryScope): AskedWhen =>
  isOwn(source ?? '')
    ? { at: about.created_at ?? receivedAt, toldAt: about.created_at ?? null }
    : { at: receivedAt, toldAt: about.updated_at, deliveryId };

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
