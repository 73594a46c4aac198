/**
 * For `node --import`: makes a process of Forgeway count its awaits, and die at the one it is told. Does nothing unless
 * FORGEWAY_CRASH_AT names a folder: `dist` and `numbered` in it say where modules are, `order.json` what to do. SIGUSR2
 * makes the process read its order; it answers with a file of its own. `recovery.json` is for the next worker that starts.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const folder = process.env.FORGEWAY_CRASH_AT;

if (folder !== undefined && isMainThread) {
  const dist = readFileSync(`${folder}/dist`, 'utf8').trim();
  register('./hooks.mjs', import.meta.url, { data: { dist, numbered: `${folder}/numbered` } });

  const role = process.argv.includes('work') ? 'worker' : 'server';
  const state = { counting: false, count: 0, at: 0, side: 'sent' };
  const die = () => process.kill(process.pid, 'SIGKILL');

  const arm = ({ at, side }) => Object.assign(state, { counting: true, count: 0, at, side });

  const obey = () => {
    const { id, kind, points } = JSON.parse(readFileSync(`${folder}/order.json`, 'utf8'));
    const { count } = state;
    if (kind === 'arm') arm(points[role] ?? { at: 0, side: 'sent' });
    else state.counting = false;
    writeFileSync(`${folder}/${id}-${process.pid}.json`, JSON.stringify({ role, count }));
  };

  /** Called with what is awaited. `sent`: it has been begun; `answered`: its answer is there, and nothing was done with it. */
  globalThis.__chaosAwait = (value) => {
    if (!state.counting) return value;
    state.count += 1;
    if (state.count !== state.at) return value;
    if (state.side === 'sent') die();
    return Promise.resolve(value).finally(die);
  };

  process.on('SIGUSR2', obey);
  // A worker that takes over from one that died may have to die while it recovers: one, whoever comes first.
  if (role === 'worker') {
    try {
      const mine = `${folder}/recovery-${process.pid}.json`;
      renameSync(`${folder}/recovery.json`, mine);
      arm(JSON.parse(readFileSync(mine, 'utf8')));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
}
