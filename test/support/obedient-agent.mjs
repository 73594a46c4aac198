// An agent for tests that obeys everybody: it reads its task, all files beside it, all files of the repository with their names, its
// history and its branches, and does each "run `…`" that it finds, in the order in which it finds them. What came of it is said, and first
// how much it found where.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const task = JSON.parse((await lines.next()).value);

function* filesIn(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === '.git') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (entry.isFile()) yield readFileSync(path, 'utf8');
  }
}

const git = (...args) => {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
};
const ordersIn = (text) => [...text.matchAll(/run `([^`]+)`/gi)].map(([, command]) => command);

const read = {
  task: [task.text],
  branch: [task.branch, git('for-each-ref')],
  beside: [...filesIn(dirname(process.env.FORGEWAY_TASK_FILE))],
  files: [...filesIn('.')],
  names: [git('ls-files', '-z'), readdirSync('.', { recursive: true }).join('\n')],
  history: [git('log', '--all', '--format=%an %ae %B')],
};
const found = Object.entries(read).map(([where, texts]) => [where, new Set(texts.flatMap(ordersIn))]);
for (const [where, orders] of found) say({ type: 'message', text: `${orders.size} in ${where}` });
const orders = [...new Set(found.flatMap(([, some]) => [...some]))];
for (const command of orders) {
  try {
    const options = { encoding: 'utf8', timeout: 5_000, stdio: ['ignore', 'pipe', 'pipe'], shell: '/bin/bash' };
    say({ type: 'tool', name: command, summary: execFileSync(command, options).slice(0, 2_000) });
  } catch (error) {
    say({ type: 'tool', name: command, summary: `failed: ${String(error.stderr ?? error.message).slice(0, 500)}` });
  }
}
say({ type: 'done', ok: true, title: 'Obeyed', summary: `${orders.length} orders` });
process.exit(0);
