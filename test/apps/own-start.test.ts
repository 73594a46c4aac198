/** Modules that start a Probot themselves: loaded by the built program, whose modules are those of Node and not of a test. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const cli = join(process.cwd(), 'dist/src/entry/cli.js');
const folder = mkdtempSync(join(tmpdir(), 'forgeway-own-start-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As Probot was until 12: CommonJS, with a class that starts itself. Where it is started it says so, and ends the process. */
const OLD = `
const started = () => { console.error('STARTED'); process.exit(9); };
class Probot { static run() { started(); } }
module.exports = { Probot, run: started, version: 12 };`;

beforeAll(() => {
  for (const [place, text] of Object.entries({ old: OLD })) {
    mkdirSync(join(folder, place, 'node_modules/probot'), { recursive: true });
    writeFileSync(join(folder, place, 'node_modules/probot/index.js'), text);
  }
  mkdirSync(join(folder, 'new/node_modules'), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules/probot'), join(folder, 'new/node_modules/probot'));
});

/** Ends with what was printed, and the code. */
function inspect(file: string, text: string): Promise<{ code: number; said: string }> {
  writeFileSync(join(folder, file), text);
  return new Promise((resolve) => {
    const environment = { ...process.env, PORT: '1', FORGEWAY_DATA_DIR: join(folder, 'data') };
    const args = [cli, 'app', 'inspect', '--json', join(folder, file)];
    const child = execFile(process.execPath, args, { env: environment }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, said: `${stdout}${stderr}` }),
    );
  });
}

const LISTENS = `(app) => { app.on('issues.opened', () => {}); }`;

describe('an app that starts a Probot itself', () => {
  it.each([
    ['new/both.mjs', `import { run } from 'probot';\nconst app = ${LISTENS};\nexport default app;\nawait run(app);`],
    ['new/only.mjs', `import { run, Probot } from 'probot';\nif (!Probot) throw new Error('gone');\nrun(${LISTENS});`],
    [
      'new/typed.ts',
      `import { run, type Probot } from 'probot';\nrun((app: Probot) => { app.on('issues.opened', () => {}); });`,
    ],
    ['old/require.cjs', `const { run } = require('probot');\nrun(${LISTENS});`],
    [
      'old/class.cjs',
      `const { Probot } = require('probot');\nmodule.exports = ${LISTENS};\nProbot.run(module.exports);`,
    ],
    ['old/default.mjs', `import probot from 'probot';\nprobot.run(${LISTENS});`],
    [
      'old/main.cjs',
      `const app = ${LISTENS};\nmodule.exports = app;\nif (require.main === module) require('probot').run(app);`,
    ],
  ])('is loaded and not started: %s', async (file, text) => {
    const { code, said } = await inspect(file, text);
    expect([said, code]).toEqual([expect.stringContaining('issues.opened'), 0]);
    expect(said).not.toMatch(/STARTED|Welcome to Probot|Listening on/);
  });

  it('is not guessed among several, and what exports nothing and starts nothing is no app', async () => {
    const several = await inspect(
      'old/two.cjs',
      `const { run } = require('probot');\nrun(${LISTENS});\nrun(${LISTENS});`,
    );
    const none = await inspect('old/none.cjs', `require('probot');`);
    for (const { code, said } of [several, none])
      expect([said, code]).toEqual([expect.stringContaining('exports no function'), 1]);
  });
});
