import { randomUUID } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import { type Asked, cancelSession, replyToSession } from '../../jobs/agent/desired.js';
import { leftovers, removeLeftovers } from '../../jobs/agent/janitor.js';
import { type ListedSession, listSessions, readEvents } from '../../jobs/agent/list.js';
import { isLive } from '../../jobs/agent/machine.js';
import { createPokes } from '../../jobs/poke.js';
import { createQueueBackend } from '../../jobs/queue/create-queue-backend.js';
import { pause, systemClock } from '../../lib/clock.js';
import { createMetrics } from '../../lib/metrics.js';
import { openRunner, plannedAgents } from '../agent-jobs.js';
import { lazyClusterJobs } from '../cluster-jobs.js';
import { outboundOf } from '../outbound.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

const WATCH_MS = 500;
const BY = 'command line';

async function find({ store, organizationId }: CommandSession, given: string): Promise<ListedSession> {
  const found = (await listSessions(store, organizationId)).filter(({ id }) => id === given || id.startsWith(given));
  const [session] = found;
  if (session === undefined)
    throw new InvalidArgumentError(`There is no session ${given}. \`forgeway sessions list\` shows all.`);
  if (found.length > 1)
    throw new InvalidArgumentError(`${given} begins the id of ${found.length} sessions: write more of it.`);
  return session;
}

/** Carries out what a person asked, and tells the workers. */
async function ask(session: CommandSession, run: () => Promise<Asked>): Promise<Asked> {
  const { config, database, log } = session;
  const asked = await run();
  if (!asked.ok) return asked;
  const backend = createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics: createMetrics() });
  const pokes = createPokes(backend);
  for (const { version, ...key } of asked.wish.agents) await pokes.agent.poke(key, { version });
  for (const { version, ...key } of asked.wish.reports) await pokes.report.poke(key, { version });
  await backend.close();
  return asked;
}

function printAsked(asked: Asked, json: boolean | undefined, done: string): void {
  if (json) console.log(formatJson(asked.ok ? { ok: true, session: asked.wish.session.id } : asked));
  else console.log(asked.ok ? done : asked.why);
}

interface EventLine {
  sequence: bigint;
  kind: string;
  data: Record<string, unknown>;
  at: Date;
}

const words = ({ kind, data }: EventLine): string => {
  const text = data.text ?? data.summary ?? data.reason ?? data.url ?? data.to ?? data.name ?? '';
  const by = typeof data.by === 'string' ? `${data.by}: ` : '';
  return `${kind === 'status' ? `→ ${String(data.to)}` : kind}  ${by}${String(kind === 'status' ? (data.reason ?? '') : text)}`.trimEnd();
};

async function watch(session: CommandSession, id: string, json: boolean | undefined): Promise<void> {
  const { store, organizationId } = session;
  for (let after = 0n; ; ) {
    // Asked for first: what is over by then has written all that it will.
    const [now] = (await listSessions(store, organizationId)).filter((one) => one.id === id);
    const events = await readEvents(store, organizationId, id, after);
    for (const event of events) {
      console.log(json ? JSON.stringify({ ...event, sequence: event.sequence.toString() }) : words(event));
      after = event.sequence;
    }
    // A record can be longer than what is read at a time.
    if (events.length > 0) continue;
    if (now === undefined || !isLive(now.status)) return;
    await pause(WATCH_MS);
  }
}

export function addSessionsCommand(program: Command): void {
  const sessions = program.command('sessions').description('agents at work on issues and pull requests');

  sessions
    .command('list')
    .description('sessions of agents, last changed first')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const rows = await withDatabase(({ store, organizationId }) => listSessions(store, organizationId));
      printRows(rows, ['id', 'status', 'agent', 'on', 'by', 'pullRequestUrl', 'message', 'updatedAt'], {
        json: options.json,
        empty: 'No sessions. They need AGENTS, and a comment `/assign-agent` on an issue or a pull request.',
      });
    });

  sessions
    .command('watch')
    .description('what happens in a session, until it is over or waits for a review')
    .argument('<id>', 'its id, or how it begins')
    .option('--json', 'one JSON object for each entry')
    .action((given: string, options: { json?: boolean }) =>
      withDatabase(async (session) => watch(session, (await find(session, given)).id, options.json)),
    );

  sessions
    .command('reply')
    .description('answer an agent, or tell it what to change')
    .argument('<id>', 'its id, or how it begins')
    .argument('<text...>', 'what to tell it')
    .option('--json', 'as JSON')
    .action((given: string, text: string[], options: { json?: boolean }) =>
      withDatabase(async (session) => {
        const { store, organizationId } = session;
        const { id } = await find(session, given);
        const asked = await ask(session, () =>
          store.tenant(organizationId, (tx) =>
            replyToSession(tx, id, {
              clientInputId: `cli:${randomUUID()}`,
              by: BY,
              text: text.join(' '),
              at: new Date(),
            }),
          ),
        );
        printAsked(asked, options.json, 'The agent is told.');
        if (!asked.ok) process.exitCode = 1;
      }),
    );

  sessions
    .command('cancel')
    .description('stop an agent; one that is over stays as it is')
    .argument('<id>', 'its id, or how it begins')
    .option('--json', 'as JSON')
    .action((given: string, options: { json?: boolean }) =>
      withDatabase(async (session) => {
        const { store, organizationId } = session;
        const { id } = await find(session, given);
        const asked = await ask(session, () => store.tenant(organizationId, (tx) => cancelSession(tx, id, BY)));
        printAsked(asked, options.json, 'It is being stopped.');
      }),
    );

  sessions
    .command('clean')
    .description('remove what sessions that are long over left on this machine; the server does so every hour')
    .option('--dry-run', 'show everything that is kept, and when it goes; remove nothing')
    .option('--json', 'as JSON')
    .action((options: { dryRun?: boolean; json?: boolean }) =>
      withDatabase(async ({ store, config, keys, log }) => {
        const outbound = outboundOf(config);
        const clusterJobs = lazyClusterJobs({ config, outbound, keys, store, log });
        const rows = await openRunner({
          config,
          outbound,
          planned: plannedAgents(config),
          clusterJobs: clusterJobs.open,
        })
          .then((runner) => {
            const o = { store, runner, keepMs: config.agentKeepHours * 3_600_000, clock: systemClock, log };
            return options.dryRun ? leftovers(o) : removeLeftovers(o);
          })
          .finally(() => clusterJobs.close());
        printRows(rows, ['sessionId', 'status', 'on', 'endedAt', 'goesAt'], {
          json: options.json,
          empty: options.dryRun ? 'Nothing is kept.' : 'Nothing was to be removed. `--dry-run` shows what is kept.',
        });
      }),
    );
}
