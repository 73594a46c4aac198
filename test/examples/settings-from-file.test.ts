import { expect, it } from '@jest/globals';
import { onEveryForge, place } from './example-forge.js';

const settings = (...labels: string[]) => ({
  '.github/settings.yml': `repository:\n  description: A shop\nlabels:\n${labels.map((one) => `  - ${one}\n`).join('')}`,
});

onEveryForge('settings-from-file', {}, (forge) => {
  it('makes, renames and deletes labels', async () => {
    const bob = forge.as('bob');
    const issue = await bob.openIssue({ title: 'Labels', labels: ['defect', 'gone'] });
    const files = settings('{ name: bug, oldname: defect, color: "#cc0000" }', '{ name: idea, description: Maybe }');
    await bob.push({ branch: 'main', files, message: 'Settings' });
    const { labels, issues } = await forge.end();
    expect(labels).toEqual(['bug', 'idea']);
    expect(issues.map(({ title, labels: names, state }) => ({ title, names, state }))).toEqual([
      { title: 'Labels', names: ['bug'], state: 'open' },
    ]);
    await bob.push({ branch: 'other', files: settings('{ name: never }'), message: 'Not the default branch' });
    await bob.close(issue);
    expect((await forge.end()).labels).toEqual(['bug', 'idea']);
  });

  it('tells of what was refused in one issue, and closes that when all is well', async () => {
    const bob = forge.as('bob');
    const title = 'The settings of this repository cannot be applied';
    await bob.push({
      branch: 'main',
      files: settings('{ name: bug, color: cc0000 }', '{ name: wrong, color: reddish }'),
      message: 'Wrong colour',
    });
    const refused = await forge.end();
    expect(refused.labels).toEqual(['bug']);
    expect(refused.issues[1]).toMatchObject({ title, state: 'open', author: 'the-bot' });
    expect(refused.issues[1]?.body).toBe('See `.github/settings.yml`:\n\n- `wrong` was refused');
    await bob.push({ branch: 'main', files: { '.github/settings.yml': 'labels: "\n' }, message: 'No YAML' });
    expect((await forge.end()).issues[1]?.body).toBe('See `.github/settings.yml`:\n\n- It is no YAML');
    await bob.push({ branch: 'main', files: settings('{ name: bug, color: cc0000 }'), message: 'Right' });
    const { issues, labels } = await forge.end();
    expect(issues.map((one) => [one.title, one.state])).toEqual([
      ['Labels', 'closed'],
      [title, 'closed'],
    ]);
    expect(labels).toEqual(['bug']);
    expect(await forge.connected.fake.readFile(place, 'main', '.github/settings.yml')).toContain('A shop');
  });
});
