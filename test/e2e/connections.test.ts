/** Connecting a forge by its address and a token, through the program as it is started. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { createInstallation, eventually, freePort } from './program.js';

interface Delivery {
  event: string;
  action: string | null;
  status: string;
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe('forgeway connections', () => {
  it.each([
    [fakedForges[0]?.label, '', fakedForges[0]],
    [fakedForges[1]?.label, '/tools/git', fakedForges[1]],
  ] as const)(
    'connects a %s%s: its webhooks arrive and are handled, and its token is nowhere to be seen',
    async (_label, below, forge) => {
      const folder = await mkdtemp(join(tmpdir(), 'forgeway-e2e-connections-'));
      closing.push(() => rm(folder, { recursive: true, force: true }));
      const fake = await forge?.startFake?.({ folder: join(folder, 'forge'), below });
      if (forge === undefined || fake === undefined) throw new Error('there is no such double');
      expect(fake.url.endsWith(below)).toBe(true);
      closing.push(() => fake.close());
      const place = { owner: 'acme', name: 'web' };
      await fake.addPerson('alice');
      await fake.addRepository({ ...place, people: { alice: 'write' } });

      const port = await freePort();
      const installation = await createInstallation({ PUBLIC_URL: `http://127.0.0.1:${port}` });
      closing.push(() => installation.remove());
      const server = await installation.up({ PORT: String(port), LOG_LEVEL: 'debug' });
      const tokenFile = join(folder, 'token.txt');
      await writeFile(tokenFile, `${fake.token}\n`, { mode: 0o600 });
      const add = ['connections', 'add', '--forge', forge.id, '--url', fake.url, '--token-file', tokenFile];
      const added = await installation.run([...add, '--repo', 'acme/web', '--json']);
      expect(added).toMatchObject({ code: 0 });
      expect(added.stderr).toContain('The test delivery arrived.');

      await fake.as('alice', place).push({ branch: 'change', files: { 'a.txt': 'a\n' }, message: 'Change' });
      await fake.as('alice', place).openPullRequest({ head: 'change', title: 'A change' });
      await fake.settled();
      const deliveries = await eventually('the deliveries to be handled', async () => {
        const { stdout } = await installation.run(['deliveries', 'list', '--json']);
        const all = JSON.parse(stdout) as Delivery[];
        const busy = all.some(({ status }) => status === 'received' || status === 'assigned');
        return !busy && all.some(({ action }) => action === 'opened') ? all : undefined;
      });
      expect(deliveries.filter(({ status }) => status === 'dead')).toEqual([]);
      for (const action of ['created', 'opened'])
        expect(deliveries.find((delivery) => delivery.action === action)).toMatchObject({ status: 'done' });

      const listed = await installation.run(['connections', 'list', '--json']);
      expect(JSON.parse(listed.stdout)).toMatchObject([
        { forge: forge.id, account: fake.bot.login, status: 'active', repositories: 1, hooks: 1 },
      ]);
      const { id } = JSON.parse(added.stdout) as { id: string };
      const [{ name }] = JSON.parse(listed.stdout) as [{ name: string }];
      const shown = await installation.run(['connections', 'show', name, '--json']);
      expect(JSON.parse(shown.stdout)).toMatchObject({ id, name });
      const exported = await installation.run(['connections', 'export', name]);
      expect(exported).toMatchObject({ code: 0, stderr: expect.stringContaining('without secrets') });
      const set = await installation.run(['connections', 'set-mode', id, 'poll']);
      expect(set).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining(`${id}: poll.`) });
      const polled = await installation.run(['connections', 'list', '--json']);
      expect(JSON.parse(polled.stdout)).toMatchObject([{ id, mode: 'poll' }]);
      expect(await installation.run(['connections', 'set-mode', id, 'sometimes'])).toMatchObject({ code: 2 });
      const polling = await installation.run(['poll', '--json']);
      expect(JSON.parse(polling.stdout)).toMatchObject({ repositories: 1, failed: 0 });
      const doctor = await installation.run(['hooks', 'doctor', '--json']);
      expect(doctor).toMatchObject({ code: 0 });
      expect(JSON.parse(doctor.stdout)).toMatchObject([{ target: 'acme/web', state: 'ok' }]);
      expect(await installation.run(['connections', 'remove', id])).toMatchObject({ code: 0 });
      for (const text of [added.stdout, added.stderr, listed.stdout, server.stderr()])
        expect(text).not.toContain(fake.token);

      await writeFile(tokenFile, 'not-the-right-token');
      const refused = await installation.run(add);
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(/does not accept the token/);
      expect((await installation.run(['connections', 'add'])).code).toBe(2);
      // --user is enough to say that it is a person's.
      const token = await installation.run(['tokens', 'create', '--user', 'nobody', '--name', 'mine']);
      expect(token).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no person nobody') });
    },
  );
});
