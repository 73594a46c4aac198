/** Commands about agents: to have one work here, to answer it, to stop it, to have it try again, to ask how it stands. */

import { agentNamed } from '../../jobs/agent/agents.js';
import {
  type Asked,
  assignAgent,
  cancelSession,
  commandWasCarriedOut,
  pushAndCreatePr,
  replyToSession,
  type SessionWish,
} from '../../jobs/agent/desired.js';
import { isLive } from '../../jobs/agent/machine.js';
import { type AgentRules, agentRulesOr } from '../../jobs/agent/repository-rules.js';
import { type SessionRecord, sessionOfConversation } from '../../jobs/agent/session-record.js';
import { noteStop, noteStopped, type StopSaid, stopHeard } from '../../jobs/agent/stops.js';
import { statusOf } from '../../jobs/agent/tell.js';
import { isUnpushed } from '../../jobs/agent/unpushed.js';
import { repositoryByRemoteId } from '../../store/mirror/repository.js';
import { readAssigned } from '../agent-work-item.js';
import type { DeliveryWork } from '../delivery-work.js';
import type { Command, CommandRun, Outcome, Stop } from './command.js';

const NO_AGENTS = 'no agents are set up here. Whoever runs Forgeway sets AGENTS; docs/guides/agents.md says how.';
const NO_SESSION = 'no agent has worked here yet. `/assign-agent` has one begin.';
const LATER = 'what works here now was begun after that `/cancel`, and goes on. Another one stops it.';
const REVIEW = /(?:^|\s)--review(?=\s|$)/;

export function pokeWish(work: DeliveryWork, { agents, reports }: SessionWish): void {
  for (const one of agents) work.poke('agent', one);
  for (const one of reports) work.poke('report', one);
}

/** The session that a command in this conversation is about. */
async function sessionHere(work: DeliveryWork, given: Pick<CommandRun, 'in'>): Promise<SessionRecord | undefined> {
  const repository = await repositoryByRemoteId(work.tx, work.origin, given.in.remoteRepositoryId);
  if (repository === undefined) return undefined;
  return sessionOfConversation(work.tx, { repositoryId: repository.id, number: given.in.number });
}

/** It is run again, and has begun before what it asked for: that may be at work now, or over, and is no reason to refuse it. */
async function wasCarriedOut(given: CommandRun): Promise<boolean> {
  let was = false;
  await given.inTransaction(async (work) => {
    const repository = await repositoryByRemoteId(work.tx, work.origin, given.in.remoteRepositoryId);
    if (repository === undefined) return;
    const place = { repositoryId: repository.id, number: given.in.number };
    was = await commandWasCarriedOut(work.tx, { ...place, commandKey: given.key });
  });
  return was;
}

/** A command that begins something, and is done once. */
const begins =
  (run: Command['run']): Command['run'] =>
  async (given) =>
    (await wasCarriedOut(given)) ? { done: true } : run(given);

interface Meant {
  agent: string;
  instructions: string;
  kind: 'task' | 'review';
}

/** `[name] [--review] [instructions]`: a first word that names no agent belongs to the instructions. */
function meantBy(args: string, names: ReadonlySet<string>, fallback: string): Meant {
  const kind = REVIEW.test(args) ? 'review' : 'task';
  const words = args.replace(REVIEW, ' ').trim();
  const [first = ''] = words.split(/\s+/, 1);
  const isNamed = names.has(first.toLowerCase());
  const instructions = isNamed ? words.slice(first.length).trim() : words;
  return { agent: isNamed ? first.toLowerCase() : fallback, instructions, kind };
}

async function assign(
  given: CommandRun,
  rules: AgentRules | { say: string },
  meant: Meant,
  retryOf?: string,
): Promise<Outcome> {
  if ('say' in rules) return { done: false, say: rules.say };
  const refused = rules.objection(meant.agent);
  const planned = given.agents && agentNamed(given.agents, given.by.forge, meant.agent);
  if (planned === undefined) {
    const names = [...(given.agents?.byName.keys() ?? [])].join(', ');
    const say = `there is no agent ${meant.agent} here. There ${names === '' ? 'is none' : `are: ${names}`}.`;
    return { done: false, say };
  }
  if (refused !== undefined) return { done: false, say: refused };
  if (planned.handOff && (given.in.isPullRequest || meant.kind === 'review'))
    return { done: false, say: `only issues can be handed over to ${meant.agent}.` };
  if (meant.kind === 'review' && !given.in.isPullRequest)
    return { done: false, say: 'only a pull request can be reviewed, and this is an issue.' };
  const item = await readAssigned(given.octokit, given.in);
  if (!item.open) return { done: false, say: 'it is closed, so no agent begins here.' };
  await given.inTransaction(async (work) => {
    const repository = await item.mirror(work);
    pokeWish(
      work,
      await assignAgent(work.tx, {
        ...meant,
        ...{ organizationId: work.origin.organizationId, repositoryId: repository.id },
        ...{ forge: repository.forge, host: repository.host, remoteRepositoryId: repository.remoteId },
        ...{ number: given.in.number, onPullRequest: given.in.isPullRequest, commandKey: given.key },
        ...(retryOf !== undefined && { retryOf }),
        requester: { id: given.by.accountId, login: given.by.login },
        ...{ requestedBy: given.byName, triggeredAt: given.at, headSha: item.headSha, baseBranch: null },
        asked: given.asked,
        ...{ context: item.text, limits: rules.lowered(planned.limits), handOff: planned.handOff },
      }),
    );
  });
  return { done: true };
}

async function runAssign(given: CommandRun): Promise<Outcome> {
  const { agents } = given;
  const own = agents?.ofForges.get(given.by.forge)?.name;
  const rules = await agentRulesOr(given.octokit, { owner: given.in.owner, name: given.in.repo });
  const chosen = 'say' in rules ? undefined : rules.default;
  const first = chosen ?? agents?.default?.definition.name ?? own;
  if (agents === undefined || first === undefined) return { done: false, say: NO_AGENTS };
  const names = new Set([...agents.byName.keys(), ...(own === undefined ? [] : [own])]);
  return assign(given, rules, meantBy(given.args, names, first));
}

/** Runs `ask` on the session of this conversation, and says what came of it. */
async function onSession(
  given: CommandRun,
  ask: (work: DeliveryWork, session: SessionRecord) => Promise<Asked>,
): Promise<Outcome> {
  let outcome: Outcome = { done: false, say: NO_SESSION };
  await given.inTransaction(async (work) => {
    const session = await sessionHere(work, given);
    if (session === undefined) return;
    const asked = await ask(work, session);
    if (asked.ok) pokeWish(work, asked.wish);
    outcome = asked.ok ? { done: true } : { done: false, say: asked.why };
  });
  return outcome;
}

/**
 * Whether the session had been asked for when the stop was written. A stop may be carried out late: its forge was down, a pause lay in
 * between, or somebody has had its delivery run again a week later. Clocks are compared with themselves.
 */
function wasMeant({ asked: stop }: Pick<Stop, 'asked'>, { asked: session }: SessionRecord): boolean {
  return stop.toldAt !== null && session.toldAt !== null ? session.toldAt <= stop.toldAt : session.at <= stop.at;
}

const stopSaid = ({ origin }: DeliveryWork, by: StopSaid['by'], whose: StopSaid['whose'], given: Omit<Stop, 'by'>) => ({
  ...{ organizationId: origin.organizationId, forge: origin.forge, host: origin.host },
  ...{ remoteRepositoryId: given.in.remoteRepositoryId, number: given.in.number },
  ...{ key: given.key, by, whose, asked: given.asked },
});

async function runCancel(given: CommandRun): Promise<Outcome> {
  let isLater = false;
  let outcome: Outcome = { done: false, say: NO_SESSION };
  await given.inTransaction(async (work) => {
    await noteStop(work.tx, stopSaid(work, { id: given.by.accountId, login: given.byName }, 'any', given));
    const session = await sessionHere(work, given);
    if (session === undefined) return;
    if (!wasMeant(given, session)) {
      isLater = isLive(session.status);
      outcome = { done: false, say: LATER };
      return;
    }
    const asked = await cancelSession(work.tx, session.id, given.byName);
    outcome = asked.ok ? { done: true } : { done: false, say: asked.why };
    if (!asked.ok) return;
    pokeWish(work, asked.wish);
    await noteStopped(work.tx, work.origin.organizationId, given.key);
  });
  if (outcome.done || outcome.say === NO_SESSION || isLater) return outcome;
  // That it is over already is what was wanted, and it may have been by this very command.
  return given.isAgain ? { done: true } : { done: true, say: outcome.say };
}

/** What somebody has begun they may always end: nobody has to be asked about that, least of all a forge that is down. */
async function cancelUnasked(given: Stop, whose: 'own' | 'any'): Promise<boolean> {
  let isMeant = false;
  await given.inTransaction(async (work) => {
    const { organizationId } = work.origin;
    await noteStop(work.tx, stopSaid(work, given.by, whose, given));
    const session = await sessionHere(work, given);
    if (session === undefined || !isLive(session.status) || !wasMeant(given, session)) {
      isMeant = (await stopHeard(work.tx, organizationId, given.key)) === 'stopped';
      return;
    }
    if (whose === 'own' && session.requester?.id !== given.by.id) return;
    const asked = await cancelSession(work.tx, session.id, given.by.login);
    if (asked.ok) {
      pokeWish(work, asked.wish);
      await noteStopped(work.tx, organizationId, given.key);
    }
    isMeant = true;
  });
  return isMeant;
}

async function runReply(given: CommandRun): Promise<Outcome> {
  const text = given.args;
  if (text === '') return { done: false, say: 'say what to tell the agent, as in `/reply use the second one`.' };
  return onSession(given, (work, session) =>
    replyToSession(work.tx, session.id, {
      ...{ clientInputId: given.key, by: given.by.login, text, at: given.at, asked: given.asked },
    }),
  );
}

async function runRetry(given: CommandRun): Promise<Outcome> {
  let last: SessionRecord | undefined;
  await given.inTransaction(async (work) => {
    last = await sessionHere(work, given);
  });
  if (last === undefined) return { done: false, say: NO_SESSION };
  const { agent, kind, instructions, status, id } = last;
  if (isLive(status))
    return { done: false, say: 'it is still at work. `/cancel` stops it, `/assign-agent` replaces it.' };
  if (status === 'in_review')
    return { done: false, say: 'its work waits for a review. `/reply` tells it what to change.' };
  // Nothing is to be made anew where it is made already.
  if (given.args === '' && isUnpushed(last))
    return onSession(given, (work, { id }) =>
      pushAndCreatePr(work.tx, id, { by: given.byName, title: '', summary: '', commandKey: given.key }),
    );
  const more = given.args === '' ? instructions : `${instructions}\n${given.args}`.trim();
  return assign(
    given,
    await agentRulesOr(given.octokit, { owner: given.in.owner, name: given.in.repo }),
    { agent, kind, instructions: more },
    id,
  );
}

async function runStatus(given: CommandRun): Promise<Outcome> {
  let say = NO_SESSION;
  await given.inTransaction(async (work) => {
    const session = await sessionHere(work, given);
    if (session === undefined) return;
    say = statusOf(session);
  });
  return { done: true, say };
}

const command = (
  name: string,
  args: string,
  means: string,
  run: Command['run'],
  action: Command['action'] = 'agent.assign',
): Command => ({ name, usage: `/${name}${args}`, means, action, onlyOnPullRequests: false, run });

export const agentCommands: readonly Command[] = [
  {
    ...command(
      'assign-agent',
      ' [name] [instructions]',
      'Has an agent work on this; with `--review`, review it.',
      begins(runAssign),
    ),
    takesText: true,
  },
  { ...command('cancel', '', 'Stops the agent that works on this.', runCancel), stop: cancelUnasked },
  {
    ...command(
      'retry',
      ' [more instructions]',
      'Has the agent try again after it failed or was stopped; alone it pushes what could not be pushed.',
      begins(runRetry),
    ),
    takesText: true,
  },
  {
    ...command('reply', ' <text>', 'Answers the agent, or tells it what to change.', begins(runReply)),
    takesText: true,
  },
  command('status', '', 'Says how the agent stands.', runStatus, 'agent.read'),
];
