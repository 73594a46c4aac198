import { type Command, InvalidArgumentError } from 'commander';
import { type Action, type ActionRule, actionNames, actions } from '../../accounts/access/actions.js';
import { type Decision, decide } from '../../accounts/access/decide.js';
import { isRole, roles } from '../../accounts/access/roles.js';
import { listDecisions } from '../../accounts/access/trail.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';
import { numberFrom } from './delivery-options.js';

const DEFAULT_LIMIT = 50;

function action(text: string): Action {
  const found = actionNames.find((name) => name === text);
  if (found === undefined) throw new InvalidArgumentError(`There is no such action: see \`forgeway access rules\`.`);
  return found;
}

function role(text: string) {
  if (!isRole(text)) throw new InvalidArgumentError(`One of ${roles.join(', ')}.`);
  return text;
}

interface ListOptions {
  denied?: boolean;
  actor?: string;
  action?: Action;
  subject?: string;
  limit: number;
  json?: boolean;
}

async function list({ json, ...filter }: ListOptions): Promise<void> {
  const rows = await withDatabase(({ store, organizationId }) => listDecisions(store, organizationId, filter));
  if (json) return console.log(formatJson(rows));
  const shown = rows.map(({ allowed, ...row }) => ({ ...row, answer: allowed ? 'yes' : 'no' }));
  printRows(shown, ['at', 'answer', 'actor', 'action', 'subject', 'times', 'why'], {
    empty: 'Nothing was decided yet, or nothing like this.',
    whole: ['why'],
  });
}

function rules({ json }: { json?: boolean }): void {
  const rows = actionNames.map((name) => {
    const { role: least, scope, forge, platform, means }: ActionRule = actions[name];
    return { action: name, role: platform ? 'administrator' : least, scope, onForge: forge ?? '', means };
  });
  if (json) console.log(formatJson(rows));
  else printRows(rows, ['action', 'role', 'scope', 'onForge', 'means'], { empty: '', whole: ['means'] });
}

function why(asked: Action, options: { role?: string; level?: string; json?: boolean }): void {
  const organizationId = 'this';
  const as = (decision: Decision) => ({ action: asked, allowed: decision.allowed, why: decision.why });
  const results = roles
    .filter((one) => options.role === undefined || one === options.role)
    .map((one) => ({
      who: one as string,
      ...as(
        decide(
          {
            kind: 'user',
            userId: '',
            name: '',
            platformAdmin: false,
            suspended: false,
            memberships: new Map([[organizationId, one]]),
          },
          asked,
          { organizationId },
        ),
      ),
    }));
  if (options.json) console.log(formatJson(results));
  else printRows(results, ['who', 'allowed', 'why'], { empty: '', whole: ['why'] });
}

export function addAccessCommand(program: Command): void {
  const access = program.command('access').description('who may do what, and what was decided');
  access
    .command('list')
    .description('what was decided lately, the newest first')
    .option('--denied', 'only what was refused')
    .option('--actor <part>', 'a part of the name, such as a login id or `machine:`')
    .option('--action <action>', 'only this', action)
    .option('--subject <part>', 'a part of what it was done to, such as `acme/web#12`')
    .option('--limit <number>', 'most rows', numberFrom(1, 1_000), DEFAULT_LIMIT)
    .option('--json', 'as JSON')
    .action(list);
  access
    .command('rules')
    .description('every action, and what it takes: a role here, a scope of a token, a right on the forge')
    .option('--json', 'as JSON')
    .action(rules);
  access
    .command('why <action>')
    .description('what each role is answered')
    .option('--role <role>', 'only this one', role)
    .option('--json', 'as JSON')
    .action((name: string, options) => why(action(name), options));
}
