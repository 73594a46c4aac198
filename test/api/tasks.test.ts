/** Pull requests and the tasks of an external board. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type ApiRig, startApiRig } from './api-rig.js';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const link = (kanbangerTaskId: unknown) =>
  rig.call('member', 'PUT', `/api/v1/pull-requests/${rig.mine.pullRequest}/task`, { kanbangerTaskId });
const listed = async (task: string) => {
  const at = `/api/v1/repositories/${rig.mine.repository}/pull-requests?kanbangerTaskId=${task}`;
  const answer = await rig.call('viewer', 'GET', at);
  return answer.json<{ items: { id: string; kanbangerTaskId: string }[] }>().items;
};
const trail = () =>
  rig.rows(`SELECT action, detail FROM audit_entry WHERE action LIKE 'pull-request.%linked' ORDER BY created_at`);
const events = async () =>
  (
    await rig.rows(`SELECT id FROM change_event WHERE kind = 'pull_request' AND subject_id = $1`, [
      rig.mine.pullRequest,
    ])
  ).length;

it('a pull request is linked, shown, found by it, and unlinked; each is told and written down once', async () => {
  const before = await events();
  expect((await link('KAN-7')).json()).toMatchObject({ id: rig.mine.pullRequest, kanbangerTaskId: 'KAN-7' });
  expect((await link('KAN-7')).statusCode).toBe(200);
  const shown = await rig.call('viewer', 'GET', `/api/v1/pull-requests/${rig.mine.pullRequest}`);
  expect(shown.json()).toMatchObject({ kanbangerTaskId: 'KAN-7' });
  expect(await listed('KAN-7')).toMatchObject([{ id: rig.mine.pullRequest, kanbangerTaskId: 'KAN-7' }]);
  expect(await listed('KAN-8')).toEqual([]);
  expect(await events()).toBe(before + 1);
  expect((await link(null)).json()).toMatchObject({ kanbangerTaskId: null });
  expect(await listed('KAN-7')).toEqual([]);
  expect(await events()).toBe(before + 2);
  expect(await trail()).toEqual([
    { action: 'pull-request.linked', detail: { kanbangerTaskId: 'KAN-7' } },
    { action: 'pull-request.unlinked', detail: {} },
  ]);
  for (const wrong of ['', 7, undefined]) expect((await link(wrong)).statusCode).toBe(422);
});
