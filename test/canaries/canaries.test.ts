/** The short form of `npm run canaries`, and the proof that it would find what there is to find. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inspect, type Report } from './check.js';
import { canary } from './forms.js';
import { asOwner } from './sinks.js';
import { tell } from './story.js';
import { startWorld, type World } from './world.js';

const SEED = 'the short form';
const LEAKS = 'leaked on purpose';
const state: { folder?: string; world?: World; report?: Report } = {};

const leak = (world: World, what: string) => world.plant(canary(SEED, `${LEAKS}: ${what}`, 'gitea'));

/** As a careless change would: a line of the log, a row, and a row that somebody deleted again. */
async function leakOnPurpose(world: World): Promise<void> {
  await appendFile(world.logFile, `{"level":10,"msg":"token ${leak(world, 'a line of the log')}"}\n`);
  const note = (action: string, secret: string) =>
    asOwner(world.databaseDir, async (client) => {
      await client.query(
        `INSERT INTO audit_entry (organization_id, actor, action, subject, detail)
         SELECT id, 'test', $1, 'test', jsonb_build_object('basic', $2::text) FROM organization LIMIT 1`,
        [action, Buffer.from(`bot:${secret}`).toString('base64')],
      );
    });
  await note('kept', leak(world, 'a row'));
  await note('deleted', leak(world, 'a deleted row'));
  await asOwner(world.databaseDir, (client) => client.query("DELETE FROM audit_entry WHERE action = 'deleted'"));
}

beforeAll(async () => {
  state.folder = await mkdtemp(join(tmpdir(), 'forgeway-canaries-'));
  const world = await startWorld({
    seed: SEED,
    folder: state.folder,
    external: false,
    connected: ['gitea'],
    github: false,
    previews: false,
    say: () => undefined,
  });
  state.world = world;
  await tell(world, {
    seed: SEED,
    every: 5,
    everyStart: 25,
    moods: ['body'],
    acts: ['log', 'permanent', 'crash'],
    moodMs: 2_500,
    patienceMs: 3_000,
    commands: [['deliveries', 'list', '--json']],
    say: () => undefined,
  });
  await leakOnPurpose(world);
  state.report = await inspect(world, () => world.program.stop());
}, 600_000);

afterAll(async () => {
  await state.world?.close();
  if (state.folder) await rm(state.folder, { recursive: true, force: true });
});

const sinksOf = (what: string) =>
  new Set(
    (state.report?.hits ?? []).filter(({ canary: one }) => one.channel.endsWith(`: ${what}`)).map(({ sink }) => sink),
  );

describe('leak canaries', () => {
  it('leave no trace but in the bodies of the inbox', () => {
    const hits = (state.report?.hits ?? []).filter(({ canary: one }) => !one.channel.startsWith(LEAKS));
    expect(hits.map(({ sink, what, canary: one, around }) => ({ sink, what, channel: one.channel, around }))).toEqual(
      [],
    );
    expect(state.report?.lawful).toMatchObject({ 'inbox bodies: payload': expect.any(Number) });
  });

  it('were looked for where something was', () => {
    for (const sink of ['log', 'command line', 'answers of the API', 'event stream', 'metrics', 'database rows'])
      expect(state.report?.searched[sink]).toBeGreaterThan(1_000);
    for (const sink of ['job data', 'database files', 'database WAL', 'sent to forges', 'process arguments'])
      expect(state.report?.searched[sink]).toBeGreaterThan(1_000);
  });

  it('would have been found: a leaked line, a row, and a row that is gone', () => {
    expect(sinksOf('a line of the log')).toEqual(new Set(['log']));
    expect(sinksOf('a row')).toEqual(new Set(['database rows', 'database files', 'database WAL']));
    expect(sinksOf('a deleted row')).toContain('database WAL');
    expect(sinksOf('a deleted row')).not.toContain('database rows');
  });
});
