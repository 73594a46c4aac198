/**
 * Commands in comments, on every forge alike. Only a new comment of a person runs one (R4, R5); who may is asked of the
 * forge when it is run (R1), and what happens is said by a reaction, and by words only where somebody has to know more.
 */
import type { Context, Probot } from 'probot';
import { z } from 'zod';
import { type Access, forgeActor } from '../../accounts/access/access.js';
import { nameOfActor } from '../../accounts/access/actor.js';
import { type Decision, decide } from '../../accounts/access/decide.js';
import { type Permissions, permissionAtLeast } from '../../accounts/permissions.js';
import type { PlannedAgents } from '../../jobs/agent/agents.js';
import { currentDelivery } from '../../lib/delivery-scope.js';
import { id, time } from '../../store/mirror/shape.js';
import { type HandlerOptions, inDelivery } from '../delivery-work.js';
import type { Command, CommandOctokit, Conversation } from './command.js';
import { commandsIn, type Invocation } from './grammar.js';
import { commands } from './table.js';

export interface Rights {
  access: Access;
  permissions: Permissions;
}

export type CommandsOptions = HandlerOptions & Rights & { agents?: PlannedAgents | undefined };

const account = z.object({ id, login: z.string(), type: z.string().nullish() });
const createdComment = z.object({
  issue: z.object({ number: z.number().int(), pull_request: z.unknown().optional() }),
  comment: z.object({ id, body: z.string().nullish(), user: account.nullish(), created_at: time.nullish() }),
  repository: z.object({ id, name: z.string(), owner: z.object({ login: z.string() }) }),
  sender: account.nullish(),
});
type CreatedComment = z.output<typeof createdComment>;

const storedComment = z.object({ body: z.string().nullish(), user: account.nullish() });

interface Given {
  event: CreatedComment;
  by: { id: bigint; login: string };
  octokit: CommandOctokit;
  in: Conversation;
  log: HandlerOptions['log'];
}

/** Undefined when the comment gives no command that is ours, or is not a person's own and new. */
function read(
  context: Context<'issue_comment.created'>,
  o: CommandsOptions,
): (Given & { called: [Command, Invocation][] }) | undefined {
  const scope = currentDelivery();
  if (scope === undefined) throw new Error('a handler ran outside a delivery');
  // Something of ours caused the comment; whoever wrote it, no person did.
  if (scope.loopDepth > 0) return undefined;
  const event = createdComment.parse(context.payload);
  const called = commandsIn(event.comment.body ?? '').flatMap((given): [Command, Invocation][] => {
    const command = commands.get(given.name);
    return command === undefined ? [] : [[command, given]];
  });
  const { sender, comment, repository, issue } = event;
  if (called.length === 0 || sender == null || sender.type === 'Bot' || comment.user?.id !== sender.id)
    return undefined;
  return {
    event,
    called,
    by: sender,
    octokit: context.octokit,
    in: {
      owner: repository.owner.login,
      repo: repository.name,
      number: issue.number,
      isPullRequest: issue.pull_request !== undefined && issue.pull_request !== null,
      remoteRepositoryId: repository.id,
    },
    log: o.log.child({ delivery: scope.deliveryKey, comment: comment.id.toString() }),
  };
}

type Reaction = 'eyes' | 'rocket' | 'confused';

const react = ({ octokit, event, in: { owner, repo } }: Given, content: Reaction) =>
  octokit.request('POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', {
    ...{ owner, repo, comment_id: Number(event.comment.id), content },
  });

const say = ({ octokit, by, in: { owner, repo, number } }: Given, text: string) =>
  octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
    ...{ owner, repo, issue_number: number, body: `@${by.login} ${text}` },
  });

/** The comment as it stands now is what was delivered, and its author's still. */
async function stillThere({ octokit, event, by, in: { owner, repo } }: Given): Promise<boolean> {
  try {
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/comments/{comment_id}', {
      ...{ owner, repo, comment_id: Number(event.comment.id) },
    });
    const now = storedComment.parse(data);
    return (now.body ?? '') === (event.comment.body ?? '') && now.user?.id === by.id;
  } catch (error) {
    if (error instanceof Error && 'status' in error && (error.status === 404 || error.status === 410)) return false;
    throw error;
  }
}

async function runOne(
  o: CommandsOptions,
  given: Given,
  command: Command,
  { args }: Invocation,
  ordinal: number,
): Promise<void> {
  const scope = currentDelivery();
  if (scope === undefined) throw new Error('a handler ran outside a delivery');
  const { event, by, octokit, in: place } = given;
  const question = {
    repository: {
      forge: scope.forge,
      host: scope.host,
      remoteId: event.repository.id,
      owner: place.owner,
      name: place.repo,
    },
    user: by,
    octokit,
  };
  const answer = await o.permissions.levelOf(question);
  if (answer.level === undefined && answer.because === 'error') throw answer.error;
  const actor = forgeActor(question, answer);
  const thing = { organizationId: scope.organizationId, name: `${place.owner}/${place.repo}#${place.number}` };
  // Of a rehearsal nothing lasts, not even that it was asked.
  const decision: Decision =
    scope.writes === 'rehearsal'
      ? decide(actor, command.action, thing)
      : await o.access.check(actor, command.action, thing);
  if (!decision.allowed) {
    given.log.info({ command: command.name, by: nameOfActor(actor), because: decision.because }, 'command refused');
    await react(given, 'confused');
    // To strangers no words: a stranger must not make us write comments.
    if (answer.level !== undefined && permissionAtLeast(answer.level, 'triage'))
      await say(given, `you may not use \`${command.usage}\` here. ${decision.why}`);
    return;
  }
  if (command.onlyOnPullRequests && !place.isPullRequest) {
    await react(given, 'confused');
    await say(given, `\`${command.usage}\` is for pull requests.`);
    return;
  }
  await react(given, 'eyes');
  const outcome = await command.run({
    ...{ args, by: actor, byName: nameOfActor(actor), in: place, octokit, agents: o.agents, all: commands },
    key: `comment:${scope.forge}:${scope.host}:${event.repository.id}:${event.comment.id}:${ordinal}`,
    at: event.comment.created_at ?? scope.receivedAt,
    may: (action) => decide(actor, action, thing),
    inTransaction: (run) => inDelivery(o, run),
  });
  given.log.info({ command: command.name, by: nameOfActor(actor), done: outcome.done }, 'command run');
  await react(given, outcome.done ? 'rocket' : 'confused');
  if (outcome.say !== undefined) await say(given, outcome.say);
}

export function commandsHandler(o: CommandsOptions) {
  return (app: Probot): void => {
    app.on('issue_comment.created', async (context) => {
      const given = read(context, o);
      if (given === undefined) return;
      if (!(await stillThere(given))) {
        given.log.info('a comment with a command was changed or deleted before it could be run');
        return;
      }
      for (const [ordinal, [command, invocation]] of given.called.entries())
        await runOne(o, given, command, invocation, ordinal);
    });
  };
}
