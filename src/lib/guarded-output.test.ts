import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const TOKEN = `ghp_${'0123456789abcdef'.repeat(2)}01234567`;
const OPAQUE = 'f9e8d7c6b5a40312f9e8d7c6b5a40312f9e8d7c6';
const module = (name: string) => pathToFileURL(`src/lib/${name}.ts`).href;

/** A program that guards its output, and then does this. */
function run(code: string) {
  const program = `
    import { guardOutput, hideLastWords } from '${module('guarded-output')}';
    import { keepSecret } from '${module('known-secrets')}';
    import { createLogger } from '${module('logger')}';
    keepSecret('${OPAQUE}');
    hideLastWords();
    guardOutput();
    ${code}`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', program];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });
  for (const secret of [TOKEN, OPAQUE]) expect(stdout + stderr).not.toContain(secret);
  return { status, stdout, stderr };
}

describe('output of a process that runs apps', () => {
  it('is printed without secrets, and otherwise as it is', () => {
    const { status, stdout, stderr } = run(`
      console.log('printed ${TOKEN} and ${OPAQUE}', { a: ['${OPAQUE}'] });
      console.error(Buffer.from('bytes').toString());
      process.stdout.write(Buffer.from('bytes ${TOKEN}\\n'));
      process.stdout.write(Buffer.from([0xc3, 0xa9, 10]));
      createLogger({ level: 'info', format: 'json' }).info('logged ${OPAQUE}');`);
    expect([status, stdout]).toEqual([
      0,
      "printed [redacted] and [redacted] { a: [ '[redacted]' ] }\nbytes [redacted]\né\n",
    ]);
    expect(stderr).toMatch(/^bytes\n\{"level":30,"time":\d+,"msg":"logged \[redacted\]"\}\n$/);
  });

  it.each([
    [
      'an error that nobody catches',
      `setTimeout(() => { throw Object.assign(new Error('${TOKEN}'), { secret: '${OPAQUE}' }); });`,
    ],
    ['a rejection that nobody handles', `Promise.reject(new Error('${OPAQUE}'));`],
    ['something thrown that is no error', `setTimeout(() => { throw '${OPAQUE}'; });`],
  ])('has no secret in its last words: %s', (_what, code) => {
    const { status, stderr } = run(`${code} setTimeout(() => console.log('went on'), 5_000);`);
    expect(status).toBe(1);
    expect(stderr).toContain('[redacted]');
  });

  it('leaves an error to the app that listens for it', () => {
    const { status, stdout } = run(
      `process.on('uncaughtException', () => { console.log('mine'); process.exit(3); }); setTimeout(() => { throw new Error('x'); });`,
    );
    expect([status, stdout]).toEqual([3, 'mine\n']);
  });
});
