/** What a pause holds back was not told yet, and is no difference that the poller has to tell. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { type PollRig, startPollRig } from './poll-rig.js';

let rig: PollRig;
afterEach(() => rig.close());

const [forge] = fakedForges.filter(({ poll }) => poll !== undefined);

describe('polling in a pause', () => {
  it('leaves what webhooks told to them, also when it is lifted, and tells what they lost', async () => {
    if (forge === undefined) throw new Error('no forge can be polled');
    rig = await startPollRig(forge, { mode: 'both' });
    const alice = rig.as('alice');
    await rig.poll();
    const resume = await rig.pause();
    const told = await alice.openIssue({ title: 'Told', body: 'By a webhook.' });
    await alice.push({ branch: 'change', files: { 'a.txt': 'a\n' }, message: 'Change' });
    await rig.quiet();
    const held = rig.hold();
    const lost = await alice.openIssue({ title: 'Lost', body: 'By nobody.' });
    for (let cycle = 0; cycle < 3; cycle += 1) await rig.poll();
    held.drop();
    expect(rig.heard).toEqual([]);
    await resume();
    await rig.pollUntilCalm();
    const opened = (number: number) => rig.heard.filter((heard) => heard === `issues.opened ${number}`);
    expect(opened(told)).toHaveLength(1);
    expect(opened(lost)).toHaveLength(1);
    expect(rig.heard.filter((heard) => heard === 'push refs/heads/change')).toHaveLength(1);
  });
});
