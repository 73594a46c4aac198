/** `/help` and `/why-not`: what whoever asks may have run here, and why not what they may not. */
import type { Command, CommandRun, Outcome } from './command.js';

/** What a person could write here, one line each. */
function lineOf({ usage, means }: Command): string {
  return `- \`${usage}\`: ${means}`;
}

async function listCommands({ all, may, in: place }: CommandRun): Promise<Outcome> {
  const fitting = [...all.values()].filter(({ onlyOnPullRequests }) => place.isPullRequest || !onlyOnPullRequests);
  const allowed = fitting.filter(({ action }) => may(action).allowed);
  const rest = fitting.length - allowed.length;
  const more =
    rest === 0 ? '' : `\n\n${rest} more ${rest === 1 ? 'is' : 'are'} for others; \`/why-not <command>\` says why.`;
  const lines = allowed.map(lineOf).join('\n');
  return { done: true, say: `you may use here:\n\n${lines}\n\nEach also as \`/fw …\`.${more}` };
}

async function explain({ args, all, may, in: place }: CommandRun): Promise<Outcome> {
  const name = (args.split(/\s+/, 1)[0] ?? '').replace(/^\//, '').toLowerCase();
  const command = all.get(name);
  if (command === undefined) return { done: false, say: `there is no such command. \`/help\` lists them.` };
  if (command.onlyOnPullRequests && !place.isPullRequest)
    return { done: true, say: `\`${command.usage}\` is for pull requests, and this is an issue.` };
  const decision = may(command.action);
  const answer = decision.allowed ? 'you may use it here.' : 'you may not use it here.';
  return { done: true, say: `\`${command.usage}\`: ${answer} ${decision.why}` };
}

export const help: Command = {
  name: 'help',
  usage: '/help',
  means: 'Lists the commands that you may use here.',
  action: 'agent.read',
  onlyOnPullRequests: false,
  run: listCommands,
};

export const whyNot: Command = {
  name: 'why-not',
  usage: '/why-not <command>',
  means: 'Says whether you may use a command here, and why.',
  action: 'agent.read',
  onlyOnPullRequests: false,
  run: explain,
};
