import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

const config = 'firstPullRequest: "Thank you, {user}!"\nfirstIssue: "Hello, {user}."\n';

onEveryForge('welcome', {}, (forge) => {
  it('says nothing without its file', async () => {
    await forge.as('bob').openIssue({ title: 'Nobody greets' });
    expect((await forge.end()).issues[0]).toMatchObject({ comments: [], labels: [] });
  });

  it('greets the first issue and the first pull request of everybody', async () => {
    const [alice, bob] = [forge.as('alice'), forge.as('bob')];
    await bob.push({ branch: 'main', files: { '.github/welcome.yml': config }, message: 'Configure' });
    await bob.openIssue({ title: 'Second of bob' });
    await alice.openIssue({ title: 'First of alice' });
    await alice.openIssue({ title: 'Second of alice' });
    await forge.end();
    for (const branch of ['one', 'two']) {
      await alice.push({ branch, files: { [`${branch}.txt`]: 'x\n' }, message: `Add ${branch}` });
      await alice.openPullRequest({ head: branch, title: branch });
      await forge.end();
    }
    const { issues, pullRequests, labels } = await forge.end();
    const short = (all: typeof issues | typeof pullRequests) =>
      all.map(({ title, labels: names, comments }) => ({ title, names, comments }));
    const none = { names: [], comments: [] };
    const greeted = (body: string) => ({ names: ['first contribution'], comments: [{ author: 'the-bot', body }] });
    expect(labels).toEqual(['first contribution']);
    expect(short(issues)).toEqual([
      { title: 'Nobody greets', ...none },
      { title: 'Second of bob', ...none },
      { title: 'First of alice', ...greeted('Hello, @alice.') },
      { title: 'Second of alice', ...none },
    ]);
    expect(short(pullRequests)).toEqual([
      { title: 'one', ...greeted('Thank you, @alice!') },
      { title: 'two', ...none },
    ]);
  });
});
