/** One payload into an app: what is asked, what is held back, what is sent. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ReceiveRequest, receiveOnce } from '../../src/entry/app-receive.js';
import { createLogger } from '../../src/lib/logger.js';
import type { App } from '../../src/translate/bridge.js';
import { type FakeInstance, faked, place, startInstance } from './fake-instance.js';

const log = createLogger({ level: 'silent', format: 'json' });
const folder = mkdtempSync(join(tmpdir(), 'forgeway-receive-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const greeter: App = {
  name: 'greeter',
  load: (app) => {
    app.on('issues.opened', async (context) => {
      const config = await context.config<{ text: string }>('greeter.yml', { text: 'Hello' });
      await context.octokit.rest.issues.createComment(context.issue({ body: config?.text ?? '' }));
      await context.octokit.rest.issues.addLabels(context.issue({ labels: ['new'] }));
    });
  },
};

describe.each(faked.map((forge) => [forge.label, forge] as const))(
  'an issue that was opened, on %s',
  (_label, forge) => {
    let instance: FakeInstance;
    let number: number;
    let request: ReceiveRequest;
    const said = async () =>
      (await instance.fake.state(place)).issues.map(({ comments, labels }) => ({ comments, labels }));

    beforeAll(async () => {
      instance = await startInstance(forge, []);
      const alice = instance.fake.as('alice', place);
      const files = { '.github/greeter.yml': 'text: Welcome\n' };
      await alice.push({ branch: 'main', files, message: 'Greet' });
      number = await alice.openIssue({ title: 'First' });
      const payloadFile = join(folder, `${forge.id}.json`);
      const repository = { id: 1, name: place.name, owner: { login: place.owner } };
      writeFileSync(payloadFile, JSON.stringify({ action: 'opened', issue: { number }, repository }));
      const { url, token } = instance.fake;
      request = {
        apps: [greeter],
        forge,
        url,
        token,
        event: 'issues.opened',
        payloadFile,
        native: false,
        send: false,
        log,
      };
    });
    afterAll(() => instance.close());

    it('asks nobody without a token', async () => {
      const { ok, requests } = await receiveOnce({ ...request, token: undefined });
      expect(ok).toBe(true);
      expect(requests.map(({ method, status, held }) => [method, status, held])).toEqual([
        ['GET', 404, true],
        ['GET', 404, true],
        ['POST', 201, true],
        ['POST', 201, true],
      ]);
    });

    it('reads, and holds writes back', async () => {
      const { ok, runs, requests } = await receiveOnce(request);
      expect({ ok, runs }).toEqual({ ok: true, runs: [{ app: 'greeter', event: 'issues.opened', outcome: 'done' }] });
      expect(requests).toMatchObject([
        { method: 'GET', status: 200, held: false },
        { path: `/repos/acme/web/issues/${number}/comments`, status: 201, held: true, body: { body: 'Welcome' } },
        { path: `/repos/acme/web/issues/${number}/labels`, status: 201, held: true, body: { labels: ['new'] } },
      ]);
      expect(await said()).toEqual([{ comments: [], labels: [] }]);
    });

    it('sends writes when it is told to', async () => {
      const { requests } = await receiveOnce({ ...request, send: true });
      expect(requests.map(({ held }) => held)).toEqual([false, false, false]);
      expect(await said()).toEqual([
        { comments: [{ author: instance.fake.bot.login, body: 'Welcome' }], labels: ['new'] },
      ]);
    });

    it('is not well when nobody listens, the app fails, or the payload is another', async () => {
      expect(await receiveOnce({ ...request, apps: [] })).toMatchObject({ ok: false, runs: [] });
      const failing: App = {
        name: 'failing',
        load: (app) => {
          app.on('issues', async (context) => {
            await context.octokit.rest.issues.get({ ...context.repo(), issue_number: 4_040_404 });
          });
        },
      };
      expect(await receiveOnce({ ...request, apps: [failing] })).toMatchObject({
        ok: false,
        runs: [{ outcome: 'failed', reason: expect.stringMatching(/found/i) }],
        requests: [{ status: 404, held: false }],
      });
      const telling: App = {
        name: 'telling',
        load: (app) => {
          app.on('issues', () => {
            throw new Error(`refused with ${['glpat', 'abcdefghij0123456789'].join('-')}`);
          });
        },
      };
      expect((await receiveOnce({ ...request, apps: [telling] })).runs).toMatchObject([
        { outcome: 'failed', reason: 'refused with [redacted]' },
      ]);
      await expect(receiveOnce({ ...request, event: 'issues.closed' })).rejects.toThrow('action is opened, not closed');
      // No forge has to do with a file that is not there.
      const none = receiveOnce({ ...request, payloadFile: join(folder, 'none') });
      await expect(none).rejects.toMatchObject({
        name: 'InvalidArgumentError',
        message: expect.stringContaining('cannot be read'),
      });
      const marked = join(folder, 'marked.json');
      writeFileSync(marked, `\uFEFF${readFileSync(request.payloadFile, 'utf8')}`);
      expect(await receiveOnce({ ...request, payloadFile: marked })).toMatchObject({ ok: true });
    });
  },
);
