// An agent for tests: reads its task, does what its script in the repository says, and speaks the line protocol.
//
// `agent-script.json` holds a list of steps: ["say", text] ["raw", text] ["ask", text] ["write", path, text]
// ["run", program, ...arguments] ["print-lines", count, ms] ["sleep", ms] ["done", title]. An answer to a question is
// written to `answer.txt`. What a step throws is said, and the next one follows.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const hear = async () => JSON.parse((await lines.next()).value ?? '{"type":"end"}');

const steps = {
  say: (text) => say({ type: 'message', text }),
  raw: (text) => process.stdout.write(`${text}\n`),
  async ask(text) {
    say({ type: 'question', text });
    let told = await hear();
    // No answer: said, and waited on.
    for (; told.type === 'preview'; told = await hear()) say({ type: 'message', text: `preview: ${told.url}` });
    const { type, text: answer } = told;
    if (type === 'reply') writeFileSync('answer.txt', `${answer}\n`);
    say({ type: 'message', text: `I was told: ${answer}` });
  },
  write(path, text) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    say({ type: 'diff', summary: `wrote ${path}`, paths: [path] });
  },
  run(program, ...args) {
    const output = execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
    });
    say({ type: 'tool', name: program, summary: output.slice(0, 4_000) });
  },
  async 'print-lines'(count, ms) {
    for (let at = 1; at <= count; at += 1) {
      say({ type: 'message', text: `line ${at}` });
      if (ms > 0) await sleep(ms);
    }
  },
  sleep: (ms) => sleep(ms),
  done: (title) => say({ type: 'done', ok: true, title, summary: 'All steps are done.' }),
};

const task = await hear();
say({ type: 'message', text: `task: ${String(task.text).slice(0, 200)}` });
for (const [name, ...args] of JSON.parse(readFileSync('agent-script.json', 'utf8'))) {
  try {
    await steps[name](...args);
  } catch (error) {
    say({ type: 'message', text: `${name} failed: ${String(error.stderr ?? error.message).slice(0, 500)}` });
  }
}
process.exit(0);
