/**
 * Commands in comments and reviews, on every forge alike. Only new words of a person run one (R4, R5); who may is asked of the
 * forge when it is run (R1), and what happens is said by a reaction, and by words only where somebody has to know more.
 */
import type { Context, Probot } from 'probot';
import { type Access, forgeActor, type NamedThing } from '../../accounts/access/access.js';
import type { Action } from '../../accounts/access/actions.js';
import { type ForgeActor, nameOfActor } from '../../accounts/access/actor.js';
import { type Decision, decide } from '../../accounts/access/decide.js';
import { type Permissions, permissionAtLeast } from '../../accounts/permissions.js';
import type { PlannedAgents } from '../../jobs/agent/agents.js';
import { stopHeard } from '../../jobs/agent/stops.js';
import { currentDelivery, type DeliveryScope } from '../../lib/delivery-scope.js';
import { messageOf } from '../../lib/errors.js';
import { type HandlerOptions, inDelivery } from '../delivery-work.js';
import type { Command, CommandOctokit, Conversation, Stop } from './command.js';
import { commandsIn, type Invocation } from './grammar.js';
import { askRight, hasAnswered, rememberedActor } from './rights.js';
import { type Reaction, reactTo, readSaid, type Said, saidEvents, stillStands } from './said.js';
import { type SenderTurn, takeSenderTurn } from './sender-limit.js';
import { commands } from './table.js';

export interface Rights {
  access: Access;
  permissions: Permissions;
}

export type CommandsOptions = HandlerOptions &
  Rights & {
    agents?: PlannedAgents | undefined;
    /** Commands of one person in ten minutes. */
    commandLimit?: number;
  };

/** Times the limit. */
const STOPS_HEARD = 3;

interface Given {
  said: Said;
  by: { id: bigint; login: string };
  octokit: CommandOctokit;
  in: Conversation;
  log: HandlerOptions['log'];
}

/** Undefined when the comment gives no command that is ours, or is not a person's own and new. */
function read(
  context: Context<(typeof saidEvents)[number]>,
  o: CommandsOptions,
): (Given & { called: [Command, Invocation][] }) | undefined {
  const scope = deliveryNow();
  // Something of ours caused the comment; whoever wrote it, no person did.
  if (scope.loopDepth > 0) return undefined;
  const said = readSaid(context.payload, scope);
  const called = commandsIn(said.body, (name) => commands.has(name)).flatMap((given): [Command, Invocation][] => {
    const command = commands.get(given.name);
    return command === undefined ? [] : [[command, given]];
  });
  const { sender } = said;
  if (called.length === 0 || sender === null || sender.type === 'Bot' || said.by?.id !== sender.id) return undefined;
  return {
    ...{ said, called, by: sender, octokit: context.octokit, in: said.in },
    log: o.log.child({ delivery: scope.deliveryKey, [said.kind]: said.id.toString() }),
  };
}

async function react({ octokit, said, log }: Given, content: Reaction): Promise<void> {
  const why = await reactTo(octokit, said, content);
  if (why !== undefined) log.warn({ content, err: why }, 'the forge does not let us react to a command');
}

const say = ({ octokit, by, in: { owner, repo, number } }: Given, text: string) =>
  octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
    ...{ owner, repo, issue_number: number, body: `@${by.login} ${text}` },
  });

/** No clock goes wrong by so much: what we are told of later was written before, and was found by us, or waited for us. */
const LATE_MS = 600_000;

/** When something was said, by our clock as well as we know it. */
const heardAt = ({ at }: Said, { receivedAt }: DeliveryScope): Date =>
  at !== null && receivedAt.getTime() - at.getTime() > LATE_MS ? at : receivedAt;

const keyOf = ({ said, in: place }: Given, scope: DeliveryScope, ordinal: number): string =>
  `${said.kind}:${scope.forge}:${scope.host}:${place.remoteRepositoryId}:${said.id}:${ordinal}`;

function stopBy(o: CommandsOptions, given: Given, scope: DeliveryScope, ordinal: number): Stop {
  const { said, by, in: place } = given;
  return {
    ...{ key: keyOf(given, scope, ordinal), by, in: place, at: said.at ?? scope.receivedAt },
    asked: { at: heardAt(said, scope), toldAt: said.at, deliveryId: scope.deliveryId },
    isAgain: (scope.attempt?.number ?? 1) > 1,
    inTransaction: (run) => inDelivery(o, run),
  };
}

const thingOf = ({ in: { owner, repo, number } }: Given, { organizationId }: DeliveryScope): NamedThing => ({
  ...{ organizationId, name: `${owner}/${repo}#${number}` },
});

const whoIn = ({ by, in: place }: Given, { forge, host }: DeliveryScope) => ({
  repository: { forge, host, remoteId: place.remoteRepositoryId, owner: place.owner, name: place.repo },
  user: by,
});

/** Of a rehearsal nothing lasts, not even that it was asked. */
async function decideOn(o: CommandsOptions, actor: ForgeActor, action: Action, thing: NamedThing): Promise<Decision> {
  return deliveryNow().writes === 'rehearsal' ? decide(actor, action, thing) : o.access.check(actor, action, thing);
}

interface Called {
  command: Command;
  invocation: Invocation;
  /** Which one of the comment it is. */
  ordinal: number;
  turn: SenderTurn;
  /** It has stopped what its sender had begun, and nothing is left to do. */
  stopped: boolean;
}

/** A stop that was heard ahead of its turn, or in a pause, has been counted then. */
async function turnOf(o: CommandsOptions, given: Given, { stop }: Command, key: string): Promise<SenderTurn> {
  const heard = stop && (await inDelivery(o, ({ tx, origin }) => stopHeard(tx, origin.organizationId, key)));
  if (heard !== undefined && heard !== 'no') return { heard: true, isFirst: false, why: '' };
  return takeSenderTurn(o, given.by.id, { times: stop ? STOPS_HEARD : 1 });
}

/**
 * Counts the commands, and carries out those that stop what their sender has begun: before anything is asked of the forge, which
 * may not answer.
 */
async function takeIn(o: CommandsOptions, given: Given, called: [Command, Invocation][]): Promise<Called[]> {
  const scope = deliveryNow();
  const taken: Called[] = [];
  for (const [ordinal, [command, invocation]] of called.entries()) {
    // The others wait for the end of the pause, or for their turn.
    if (scope.urgent && command.stop === undefined) continue;
    const turn = await turnOf(o, given, command, keyOf(given, scope, ordinal));
    const stopped = turn.heard && (await command.stop?.(stopBy(o, given, scope, ordinal), 'own')) === true;
    taken.push({ command, invocation, ordinal, turn, stopped });
  }
  return taken;
}

function deliveryNow(): DeliveryScope {
  const scope = currentDelivery();
  if (scope === undefined) throw new Error('a handler ran outside a delivery');
  return scope;
}

/**
 * Carries out those that stop something when the forge could not be asked about them, for whom it said lately that they may (ADR 44).
 * The rest follows when it answers again, and then it is asked.
 */
async function stopUnasked(
  o: CommandsOptions,
  given: Given,
  called: readonly Called[],
  problem: unknown,
): Promise<void> {
  if (hasAnswered(problem)) return;
  const scope = deliveryNow();
  for (const { command, ordinal, turn, stopped } of called) {
    if (command.stop === undefined || stopped || !turn.heard) continue;
    try {
      const actor = await rememberedActor(o, whoIn(given, scope));
      const decision = actor && (await decideOn(o, actor, command.action, thingOf(given, scope)));
      if (!decision?.allowed || !(await command.stop(stopBy(o, given, scope, ordinal), 'any'))) continue;
      given.log.warn(
        { command: command.name, by: given.by.login, why: decision.why },
        'stopped without asking the forge',
      );
    } catch (error) {
      // What the forge did not do is what is told, and has the whole tried again.
      given.log.warn({ command: command.name, err: messageOf(error) }, 'a stop could not be carried out');
    }
  }
}

async function runOne(o: CommandsOptions, given: Given, called: Called): Promise<void> {
  const scope = deliveryNow();
  const { command, ordinal, turn } = called;
  const { args: onLine, below } = called.invocation;
  const { by, octokit, in: place } = given;
  const thing = thingOf(given, scope);
  const args = command.takesText ? `${onLine}\n${below}`.trim() : onLine;
  const question = { ...whoIn(given, scope), octokit };
  if (!turn.heard && !turn.isFirst) {
    given.log.info({ command: command.name, by: by.login }, 'command not heard: its sender gives too many');
    return;
  }
  if (called.stopped) {
    given.log.info({ command: command.name, by: by.login }, 'command run: what its sender had begun was stopped');
    await react(given, 'eyes');
    await react(given, 'rocket');
    return;
  }
  const answer = await askRight(o, question);
  if (answer.level === undefined && answer.because === 'error') throw answer.error;
  const belongs = answer.level !== undefined && permissionAtLeast(answer.level, 'triage');
  if (!turn.heard) {
    given.log.warn({ command: command.name, by: by.login }, 'command not heard: its sender has given too many');
    await react(given, 'confused');
    if (belongs) await say(given, turn.why);
    return;
  }
  const actor = forgeActor(question, answer);
  const decision = await decideOn(o, actor, command.action, thing);
  if (!decision.allowed) {
    given.log.info({ command: command.name, by: nameOfActor(actor), because: decision.because }, 'command refused');
    if (scope.urgent) return;
    await react(given, 'confused');
    // To strangers no words: a stranger must not make us write comments.
    if (belongs) await say(given, `you may not use \`${command.usage}\` here. ${decision.why}`);
    return;
  }
  if (command.onlyOnPullRequests && !place.isPullRequest) {
    await react(given, 'confused');
    await say(given, `\`${command.usage}\` is for pull requests.`);
    return;
  }
  const stops = command.stop !== undefined;
  // What stops something does so first: the forge may have answered for the last time for a while.
  if (!stops) await react(given, 'eyes');
  const outcome = await command.run({
    ...stopBy(o, given, scope, ordinal),
    ...{ args, by: actor, byName: nameOfActor(actor), octokit, agents: o.agents, all: commands },
    may: (action) => decide(actor, action, thing),
  });
  given.log.info({ command: command.name, by: nameOfActor(actor), done: outcome.done }, 'command run');
  // What did nothing may be about something that waits as it does: it is said in its turn.
  if (scope.urgent && (!outcome.done || outcome.say !== undefined)) return;
  if (stops) await react(given, 'eyes');
  await react(given, outcome.done ? 'rocket' : 'confused');
  if (outcome.say !== undefined) await say(given, outcome.say);
}

export function commandsHandler(o: CommandsOptions) {
  return (app: Probot): void => {
    app.on([...saidEvents], async (context) => {
      const given = read(context, o);
      if (given === undefined) return;
      if (given.said.wasEdited) {
        given.log.info('a comment with a command was edited before we were told of it; only a new one is heard');
        return;
      }
      const called = await takeIn(o, given, given.called);
      if (called.length === 0) return;
      try {
        if (!(await stillStands(given.octokit, given.said))) {
          given.log.info('a comment with a command was changed or deleted before it could be run');
          return;
        }
        for (const one of called) await runOne(o, given, one);
      } catch (error) {
        await stopUnasked(o, given, called, error);
        throw error;
      }
    });
  };
}

const STOPPING = new RegExp(
  [...commands.values()]
    .filter(({ stop }) => stop)
    .map(({ name }) => name)
    .join('|'),
  'i',
);

/** What waits for no pause and no turn: a comment that has the word for it anywhere is looked at. */
export const urgentCommands = {
  events: [...saidEvents] as readonly string[],
  isIn: (received: string): boolean => STOPPING.test(received),
};
