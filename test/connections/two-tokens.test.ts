/** One forge connected by two accounts, and a repository whose names change: an app hears once, and ends when it answered. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { gitea } from '../../src/forges/gitea/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import type { App } from '../../src/translate/bridge.js';
import { type ConnectionRig, doubles, startConnectionRig } from './connection-rig.js';

/** Answers whatever people say, as an app for GitHub asks who it was. */
const echo: App = {
  name: 'echo',
  load(app) {
    app.on('issue_comment.created', async (context) => {
      if (context.isBot) return;
      await context.octokit.rest.issues.createComment(
        context.issue({ body: `You said: ${context.payload.comment.body}` }),
      );
    });
  },
};

/** More than a chain of our own writes may be long: where nothing cuts it, the test ends all the same. */
const PATIENCE = 9;

/** Answers whatever anybody says, itself included, through the connection that did not hear of it. */
function crossing(numbers: readonly number[]): App {
  let answered = 0;
  return {
    name: 'crossing',
    load(app) {
      app.on('issue_comment.created', async (context) => {
        const other = numbers.find((one) => one !== context.payload.installation?.id);
        answered += 1;
        if (other === undefined || answered > PATIENCE) return;
        const octokit = await app.auth(other);
        await octokit.rest.issues.createComment(context.issue({ body: `Answer ${answered}` }));
      });
    },
  };
}

const rigs: ConnectionRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

async function start(apps: readonly App[] = []): Promise<ConnectionRig> {
  const rig = await startConnectionRig({ apps });
  rigs.push(rig);
  return rig;
}

async function send(url: string, headers: Record<string, string>, body: object): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
}

describe('an app that answers each comment, on a repository that two accounts connected', () => {
  it('GitLab: answers once', async () => {
    const rig = await start([echo]);
    const { fake, url } = await rig.startGitLab();
    const project = fake.state.projects.find(({ fullPath }) => fullPath === 'acme/web');
    if (project === undefined) throw new Error('no project');
    const second = fake.addUser({ username: 'second-helper', token: 'glpat-second-token' });
    const alice = fake.addUser({ username: 'alice', token: 'glpat-alice-token' });
    project.members.set(second.id, 40).set(alice.id, 30);
    for (const token of ['glpat-first-token', 'glpat-second-token'])
      await rig.connect({ forge: gitlab, url, token, repositories: ['acme/web'] });
    const at = `${url}/api/v4/projects/${project.id}/issues`;
    await send(at, { 'private-token': 'glpat-alice-token' }, { title: 'Broken' });
    await send(`${at}/1/notes`, { 'private-token': 'glpat-alice-token' }, { body: 'Hello' });
    for (let calm = 0; calm < 3; calm += 1) {
      await fake.webhooks.settled();
      await rig.quiet();
    }
    const said = project.issues[0]?.notes.filter(({ system }) => !system).map(({ body }) => body);
    expect(said).toEqual(['Hello', 'You said: Hello']);
  });

  it('Gitea: answers once', async () => {
    const rig = await start([echo]);
    const { fake, url } = await rig.startGitea();
    for (const name of ['second-bot', 'alice']) {
      fake.addUser(name);
      fake.addToken(name, `${name}-token`);
    }
    // Neither is known for a bot by its name.
    const web = fake.state.repositories.find(({ name }) => name === 'web');
    web?.collaborators.set('second-bot', 'admin');
    for (const token of ['gitea-token', 'second-bot-token'])
      await rig.connect({ forge: gitea, url, token, repositories: ['acme/web'] });
    const at = `${url}/api/v1/repos/acme/web/issues`;
    await send(at, { authorization: 'token alice-token' }, { title: 'Broken' });
    await send(`${at}/1/comments`, { authorization: 'token alice-token' }, { body: 'Hello' });
    for (let calm = 0; calm < 3; calm += 1) {
      await fake.webhooks.settled();
      await rig.quiet();
    }
    const listed = await fetch(`${at}/1/comments`, { headers: { authorization: 'token alice-token' } });
    const said = ((await listed.json()) as { body: string }[]).map(({ body }) => body);
    expect(said).toEqual(['Hello', 'You said: Hello']);
  });
});

describe('an app that answers itself through the other of two accounts', () => {
  it('Gitea: is cut after as many rounds as one that answers itself through one', async () => {
    const numbers: number[] = [];
    const rig = await start([crossing(numbers)]);
    const { fake, url } = await rig.startGitea();
    for (const name of ['second-bot', 'alice']) {
      fake.addUser(name);
      fake.addToken(name, `${name}-token`);
    }
    const web = fake.state.repositories.find(({ name }) => name === 'web');
    web?.collaborators.set('second-bot', 'admin');
    for (const token of ['gitea-token', 'second-bot-token'])
      await rig.connect({ forge: gitea, url, token, repositories: ['acme/web'] });
    const known = await rig.rows<{ id: string }>('SELECT virtual_id::text AS id FROM installation');
    numbers.push(...known.map(({ id }) => Number(id)));
    expect(numbers).toHaveLength(2);
    const at = `${url}/api/v1/repos/acme/web/issues`;
    await send(at, { authorization: 'token alice-token' }, { title: 'Broken' });
    await send(`${at}/1/comments`, { authorization: 'token alice-token' }, { body: 'Hello' });
    for (let calm = 0; calm < PATIENCE + 3; calm += 1) {
      await fake.webhooks.settled();
      await rig.quiet();
    }
    const listed = await fetch(`${at}/1/comments`, { headers: { authorization: 'token alice-token' } });
    const said = ((await listed.json()) as { body: string }[]).map(({ body }) => body);
    expect(said).toEqual(['Hello', 'Answer 1', 'Answer 2', 'Answer 3']);
  });
});

describe.each([
  ['GitLab', doubles.GitLab, 'other/site'],
  ['Gitea', doubles.Gitea, 'forgeway-bot/site'],
] as const)('a repository of %s that is renamed and transferred', (_label, double, last) => {
  it('goes on telling apps, under its new names and the number it always had', async () => {
    const rig = await start();
    const forge = await double(rig);
    await rig.connect({ forge: forge.forge, url: forge.url, token: forge.token, repositories: ['acme/web'] });
    const pushes = () =>
      rig.noted
        .filter(({ event }) => event === 'push')
        .map(({ payload }) => {
          const { repository, installation } = payload as {
            repository: { id: number; full_name: string; owner: { login: string } };
            installation: { id: number };
          };
          return { id: repository.id, installation: installation.id, name: repository.full_name };
        });
    let name = 'acme/web';
    for (const to of ['acme/web', 'acme/site', last]) {
      if (to !== name) forge.rename(name, to);
      name = to;
      await forge.push(name);
      await rig.quiet();
    }
    const told = pushes();
    expect(told.map((one) => one.name)).toEqual(['acme/web', 'acme/site', last]);
    expect(new Set(told.map(({ id }) => id)).size).toBe(1);
    expect(new Set(told.map(({ installation }) => installation)).size).toBe(1);
    const kept = await rig.rows<{ name: string; status: string }>(
      `SELECT remote_owner || '/' || remote_name AS name, status FROM repository`,
    );
    expect(kept).toEqual([{ name: last, status: 'active' }]);
  });
});
