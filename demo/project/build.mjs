import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

// Builds take a while; this one long enough to be seen.
await sleep(2_000);

const commit = process.env.FORGEWAY_COMMIT_SHA ?? 'working copy';
const headline = (await readFile('site/headline.txt', 'utf8')).trim();
const values = { headline, commit, time: new Date().toISOString() };
const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => text.replace(/[&<>"]/g, (character) => escapes[character]);
const template = await readFile('site/template.html', 'utf8');

await mkdir('public', { recursive: true });
await writeFile('public/index.html', template.replace(/\{\{(\w+)\}\}/g, (_all, name) => escape(values[name])));
console.log(`Built "${headline}" from ${commit}.`);
