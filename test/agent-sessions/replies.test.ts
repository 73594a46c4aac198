/** What people say while a session is made ready again: its agent hears it, once. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');

describe('a reply', () => {
  let rig: AgentRig;
  beforeAll(async () => {
    if (forge === undefined) throw new Error('there is no fake to run on');
    rig = await startAgentRig(forge);
  });
  afterAll(() => rig?.close());

  it.each(['once', 'twice, since that fails first'] as const)(
    'that comes while the next round is made ready %s is handed over, and is no part of the task',
    async (how) => {
      rig.plays(async (agent) => {
        await agent.edit('one.txt', `${how}\n`);
        agent.say({ type: 'done', ok: true, title: how, summary: 'First.' });
      });
      const number = await rig.openIssue(`Replied to while it is made ready ${how}`);
      const status = async () => (await rig.sessionsOf(number))[0]?.status;
      await rig.as('bob').comment(number, '/assign-agent');
      await rig.until('it has come back', async () => (await status()) === 'in_review');

      const heard: string[] = [];
      rig.plays(async (agent) => {
        heard.push(await agent.hear());
        await agent.edit('two.txt', `${heard}\n`);
        agent.say({ type: 'done', ok: true, title: how, summary: 'Second.' });
      });
      let open = (): void => undefined;
      const gate = new Promise<void>((resolve, reject) => {
        open = how === 'once' ? resolve : () => reject(new Error('the network is down'));
      });
      rig.runner.before.start = () => gate;
      const [told, handed] = [rig.facts.length, rig.runner.replies.length];
      await rig.as('bob').comment(number, '/reply make it blue');
      await rig.until('it is made ready', async () => rig.facts.length > told);
      await rig.as('dave').comment(number, '/reply no, red');
      await rig.until('that is in its record', async () => {
        const [session] = await rig.sessionsOf(number);
        return (await rig.record(session?.id ?? '')).filter((kind) => kind === 'reply').length === 2;
      });
      delete rig.runner.before.start;
      open();
      await rig.until('it has come back once more', async () => (await status()) === 'in_review');
      expect(heard).toEqual(['no, red']);
      expect(rig.runner.replies.slice(handed).map(({ text }) => text)).toEqual(['no, red']);
      const words = rig.facts.slice(told).map(({ earlier }) => earlier.filter(({ isPerson }) => isPerson));
      for (const one of words) expect(one.map(({ text }) => text)).toEqual(['make it blue']);
      const waiting = await rig.rows('SELECT FROM client_input WHERE delivered_at IS NULL');
      expect(waiting).toEqual([]);
    },
  );
});
