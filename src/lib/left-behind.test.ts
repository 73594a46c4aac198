import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { LeftBehind } from './left-behind.js';

const module = (name: string) => pathToFileURL(`src/lib/${name}.ts`).href;

/** A program in which an app runs on a delivery, and does this; Node tells of rejections to real processes only. */
function run(code: string, { leftBehind = true } = {}) {
  const program = `
    import { runInDelivery } from '${module('delivery-scope')}';
    import { catchStrayRejections, LeftBehind, tellWhoEnds } from '${module('left-behind')}';
    catchStrayRejections(({ app }, error) => console.log('late', app, error.message));
    tellWhoEnds(({ app, eventName }, code) => console.log(app, 'ended it on', eventName, code));
    const leftBehind = ${leftBehind ? 'new LeftBehind()' : 'undefined'};
    const scope = { app: 'careless', eventName: 'issues', leftBehind };
    const settled = async () => console.log('rejected:', (await leftBehind.settled()).map(({ message }) => message).join());
    ${code}`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', program];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
  return { status, said: stdout.trim().split('\n') };
}

describe('what a handler leaves behind', () => {
  it('is a promise that was rejected, which ends nothing, and is told when it comes too late', () => {
    const { status, said } = run(`
      let resolve;
      const promise = new Promise((settle) => { resolve = settle; });
      await runInDelivery(scope, async () => {
        Promise.reject(new Error('at once'));
        void promise.then(() => { throw new Error('afterwards'); });
      });
      await settled();
      resolve();
      setImmediate(() => console.log('went on'));`);
    expect(said).toEqual(['rejected: at once', 'late careless afterwards', 'went on']);
    expect(status).toBe(0);
  });

  it('ends the process where it belongs to no app of others', () => {
    const outside = run(`Promise.reject(new Error('ours')); setTimeout(() => console.log('went on'), 60_000);`);
    expect(outside).toEqual({ status: 1, said: [''] });
    const own = run(`await runInDelivery(scope, async () => { Promise.reject(new Error('ours')); });`, {
      leftBehind: false,
    });
    expect(own.status).toBe(1);
  });

  it('may be the end of the process, and then the app is named', () => {
    expect(run(`await runInDelivery(scope, async () => { process.exit(3); });`)).toEqual({
      status: 3,
      said: ['careless ended it on issues 3'],
    });
  });

  it('is waited for: requests, and those to which they lead', async () => {
    const leftBehind = new LeftBehind();
    const ended: string[] = [];
    const request = async (name: string) => {
      for (let turns = 0; turns < 3; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      ended.push(name);
    };
    const begin = (name: string) => {
      const begun = request(name);
      leftBehind.begun(begun);
      return begun;
    };
    const handler = async () => {
      await begin('first');
      await begin('second');
      const failing = Promise.reject(new Error('refused'));
      leftBehind.begun(failing);
      await failing.catch(() => ended.push('failed'));
    };
    void handler();
    expect(await leftBehind.settled()).toEqual([]);
    expect(ended).toEqual(['first', 'second', 'failed']);
  });
});
