/** What an agent remarks in a review, on each forge: also where a line cannot be commented on, and when the forge breaks off. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentReview } from '../../src/effects/agents/review.js';
import { writeReview } from '../../src/jobs/agent/review.js';
import type { SessionRecord } from '../../src/jobs/agent/session-record.js';
import type { ForgeOctokit } from '../../src/jobs/sync/octokit.js';
import { playedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, at) => `const line${from + at} = ${from + at};\n`).join('');
const ID = (at: number) => `11111111-2222-4333-8444-00000000000${at}`;
const { signal } = new AbortController();

describe.each(playedForges.map((forge) => ({ name: forge.label, forge })))(
  'reviews of agents on $name',
  ({ forge }) => {
    let rig: AgentRig;
    let octokit: ForgeOctokit;
    let number: number;
    let headSha: string;
    beforeAll(async () => {
      rig = await startAgentRig(forge, {
        files: { 'src/long.js': lines(1, 60), 'src/gone.js': lines(100, 110), 'src/old.js': lines(200, 240) },
      });
      const dave = rig.as('dave');
      headSha = await dave.push({
        branch: 'topic',
        message: 'feat: much',
        files: {
          'src/long.js': lines(1, 60).replace('line30 = 30', 'line30 = 31'),
          'src/gone.js': null,
          'src/old.js': null,
          'src/renamed.js': `${lines(200, 240)}const more = 1;\n`,
          'src/large.js': lines(1, 200),
        },
      });
      number = await dave.openPullRequest({ head: 'topic', title: 'Much' });
      await rig.quiet();
      const [stored] = await rig.rows<{ id: string }>('SELECT id FROM repository');
      octokit = await rig.bridge.octokitFor(rig.organizationId, stored?.id ?? '');
    });
    afterAll(() => rig?.close());

    const session = (at: number) =>
      ({
        ...{ id: ID(at), round: 1, number, headSha, agent: 'scripted', requester: null, requestedBy: 'dave' },
        repository: place,
      }) as unknown as SessionRecord;
    const state = async () => {
      const found = (await rig.fake.state(place)).pullRequests.find((one) => one.number === number);
      if (found === undefined) throw new Error('no pull request');
      return found;
    };
    /** Whatever way a forge shows what a review says as a whole. */
    const said = async (at: number) => {
      const { reviews, comments } = await state();
      return [...reviews, ...comments].map(({ body }) => body).filter((body) => body.includes(ID(at)));
    };
    const remark = (path: string, line: number, body = `At ${path} ${line}.`) => ({ path, line, body });

    const where = (comments: readonly { path: string; line: number | null }[]) =>
      comments.map(({ path, line }) => `${path}:${line}`).sort();

    it('stand on the lines that the change has, and in the text where it has none', async () => {
      const onLines = [remark('src/long.js', 30), remark('src/renamed.js', 42), remark('src/large.js', 200)];
      const elsewhere = [
        ...[remark('src/long.js', 2), remark('src/gone.js', 1), remark('src/old.js', 1), remark('src/none.js', 1)],
        remark('src/long.js', 1, 'Rather:\n```js\nconst x = 1;\n```'),
      ];
      // Mixed, so that none that is refused comes first or last.
      const nowhere = { path: '../none.js', saidLine: '0', body: 'Nowhere.' };
      const comments = [...onLines.slice(0, 1), ...elsewhere, nowhere, ...onLines.slice(1)];
      const review: AgentReview = { summary: 'Mixed.', comments, omitted: 7, unreadable: 2 };
      const url = await writeReview(octokit, session(1), review, signal);
      expect(await writeReview(octokit, session(1), review, signal)).toBe(url);
      expect(where((await state()).lineComments)).toEqual(where(onLines));
      const [text, ...more] = await said(1);
      expect(more).toEqual([]);
      expect(text).toContain('Mixed.');
      expect(text).toContain('- `src/long.js` line 1:\n\n  Rather:\n  ```js\n  const x = 1;\n  ```');
      expect(text).toContain('- `../none.js` line `0`: Nowhere.');
      expect(text).toContain('It had 7 more remarks than a review may have.');
      expect(text).toContain('Of its remarks 2 said nothing that can be read.');
      for (const { path, line } of elsewhere) expect(text).toContain(`\`${path}\` line ${line}:`);
      for (const { path, line } of onLines) expect(text).not.toContain(`\`${path}\` line ${line}:`);
    });

    it('stand on lines that are gone and on several, and where that cannot be, in the text', async () => {
      const before = (await state()).lineComments.length;
      const code = '```suggestion\n@Injectable()\nconst line30 = 32; // #7\n```';
      const onLines = [
        { ...remark('src/long.js', 30, 'It was right.'), side: 'LEFT' as const },
        { ...remark('src/gone.js', 1, 'Why?'), side: 'LEFT' as const },
        { ...remark('src/long.js', 30, `Ask @carol:\n\n${code}`), startLine: 28 },
      ];
      const elsewhere = [
        { ...remark('src/long.js', 30, `Too many:\n\n${code}`), startLine: 5 },
        { ...remark('src/long.js', 5, 'Not shown.'), side: 'LEFT' as const },
        { path: 'src/long.js', body: 'All of it.' },
      ];
      const review: AgentReview = {
        summary: 'Both sides.',
        comments: [...onLines, ...elsewhere],
        omitted: 0,
        unreadable: 0,
      };
      await writeReview(octokit, session(4), review, signal);
      const made = (await state()).lineComments.slice(before);
      expect(made.map(({ path, body }) => [path, body.split('\n')[0]]).sort()).toEqual([
        ['src/gone.js', 'Why?'],
        ['src/long.js', 'Ask @\u200Bcarol:'],
        ['src/long.js', 'It was right.'],
      ]);
      // What it suggests is what it says, and GitLab is told which lines that replaces.
      const suggested = made.find(({ body }) => body.startsWith('Ask'))?.body.replace('suggestion:-2+0', 'suggestion');
      expect(suggested).toContain(code);
      const [text = ''] = await said(4);
      const shown = text.replace(/[ ]+$/gm, '');
      expect(shown).toContain(`- \`src/long.js\` lines 5–30:\n\n  Too many:\n\n  ${code.replaceAll('\n', '\n  ')}`);
      expect(text).toContain('- `src/long.js` line 5 before the change: Not shown.\n- `src/long.js`: All of it.');
      expect(rig.fake.violations()).toEqual([]);
    });

    it('are written although somebody else has signed one with their name', async () => {
      const sign = `Session \`${ID(6)}\`, round 1.`;
      await rig.as('carol').review(number, { verdict: 'comment', body: `Mine. ${sign}` });
      await writeReview(octokit, session(6), { summary: 'Ours.', comments: [], omitted: 0, unreadable: 0 }, signal);
      await writeReview(octokit, session(6), { summary: 'Ours.', comments: [], omitted: 0, unreadable: 0 }, signal);
      expect((await said(6)).map((text) => text.split(/[. ]/)[0]).sort()).toEqual(['Mine', 'Ours']);
    });

    it('keep code as it is written, between whatever fences', async () => {
      const code = ['````suggestion\n```js\n@Injectable() // #7\n```\n````', '~~~suggestion\n@Injectable() // #7\n~~~'];
      const before = (await state()).lineComments.length;
      const comments = code.map((body, at) => remark('src/large.js', 50 + at, `Ask @carol:\n\n${body}`));
      const summary = `As in:\n\n${code[0]}\n\nor @carol`;
      await writeReview(octokit, session(7), { summary, comments, omitted: 0, unreadable: 0 }, signal);
      const made = (await state()).lineComments.slice(before).map(({ body }) => body.replace(/\n*<!--.*-->\s*$/s, ''));
      expect(made.sort()).toEqual(code.map((body) => `Ask @\u200Bcarol:\n\n${body}`).sort());
      expect((await said(7))[0]).toContain(`As in:\n\n${code[0]}\n\nor @\u200Bcarol`);
    });

    it('leave no block of code open that turns what follows around', async () => {
      const open = remark('src/none.js', 1, 'Open:\n```\nx');
      const comments = [open, remark('src/none.js', 2, 'Then:\n```\n@carol\n```')];
      await writeReview(octokit, session(5), { summary: 'Open.', comments, omitted: 0, unreadable: 0 }, signal);
      expect((await said(5))[0]).not.toContain('@carol');
    });

    it('have a text that every forge takes, however much there is to remark', async () => {
      const comments = Array.from({ length: 100 }, (_, at) => remark('src/none.js', at + 1, 'x'.repeat(5_000)));
      await writeReview(octokit, session(2), { summary: 'Huge.', comments, omitted: 0, unreadable: 0 }, signal);
      const [text = ''] = await said(2);
      expect(text.length).toBeLessThan(65_536);
      expect(text).toMatch(/And 9\d more, for which there is no room here\./);
      expect(rig.fake.violations()).toEqual([]);
    });

    it('approve nothing when one of their lines is refused', async () => {
      const comments = [remark('src/large.js', 21), remark('src/long.js', 2)].map((one) => ({ ...one, side: 'RIGHT' }));
      const route = 'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews';
      const approval = {
        owner: place.owner,
        repo: place.name,
        pull_number: number,
        event: 'APPROVE',
        commit_id: headSha,
      };
      const before = await state();
      await expect(octokit.request(route, { ...approval, comments })).rejects.toMatchObject({ status: 422 });
      expect(await state()).toEqual(before);
    });

    it('are whole in the end, and say nothing twice, wherever the forge breaks off', async () => {
      const comments = [11, 12, 13].map((line) => remark('src/large.js', line, `Broken off at ${line}.`));
      const code = '```suggestion\n@Injectable()\n```';
      const several = { ...remark('src/large.js', 16, `Broken off, too:\n${code}`), startLine: 14 };
      const gone = { ...remark('src/long.js', 30, 'Broken off where it is gone.'), side: 'LEFT' as const };
      const same = { ...remark('src/long.js', 28, 'Broken off where nothing changed.'), side: 'LEFT' as const };
      comments.push(several, gone, same);
      const elsewhere = remark('src/none.js', 9);
      const review: AgentReview = {
        summary: 'Broken off.',
        comments: [...comments, elsewhere],
        omitted: 0,
        unreadable: 0,
      };
      const before = (await state()).lineComments.length;
      const downAfter = (most: number): PropertyDescriptor => {
        let asked = 0;
        const get = (): boolean => {
          asked += 1;
          return asked > most;
        };
        return { configurable: true, get, set: () => undefined };
      };
      let lost = 0;
      for (let isDone = false; !isDone; ) {
        if (lost > 60) throw new Error('it never ends');
        Object.defineProperty(rig.forgeIs, 'down', downAfter(lost + 1));
        isDone = await writeReview(octokit, session(3), review, signal).then(
          () => true,
          () => false,
        );
        Object.defineProperty(rig.forgeIs, 'down', { configurable: true, writable: true, value: false });
        await rig.forgeIsBack();
        if (!isDone) lost += 1;
      }
      expect(lost).toBeGreaterThan(0);
      const words = (all: readonly { body: string }[]) => all.map(({ body }) => body.split('\n')[0]).sort();
      expect(words((await state()).lineComments.slice(before))).toEqual(words(comments));
      expect(await said(3)).toEqual([expect.stringMatching(/^Broken off\.[\s\S]*src\/none\.js/)]);
    });
  },
);
