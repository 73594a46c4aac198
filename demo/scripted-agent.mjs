// The demo's agent: a script in the place of a model. It speaks the line protocol (docs/agent-protocol.md), looks at a file of
// the repository, asks what it shall say, and changes it. Forgeway is given this text as the argument of `node --eval`.
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

const FILE = 'site/headline.txt';
const say = (line) => console.log(JSON.stringify(line));
const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function hear(type) {
  for (;;) {
    const { value, done } = await told.next();
    if (done) throw new Error('nobody says anything any more');
    const line = JSON.parse(value);
    if (line.type === type) return line.text;
  }
}

const task = await hear('task');
const preview = /^A preview of the pull request runs at (\S+)$/m.exec(task)?.[1];
const before = (await readFile(FILE, 'utf8')).trim();
const where = preview === undefined ? 'There is no preview yet.' : `Its preview is ${preview} now.`;
say({ type: 'message', text: `The headline is “${before}”. ${where}` });
say({ type: 'question', text: 'What shall the headline say?', options: ['Acme makes anvils', 'Acme makes magnets'] });
const after = (await hear('reply')).trim();
await writeFile(FILE, `${after}\n`);
say({ type: 'diff', summary: `“${before}” became “${after}”`, paths: [FILE] });
say({ type: 'done', title: `Say “${after}”`, summary: `The headline said “${before}”.` });
process.exit(0);
