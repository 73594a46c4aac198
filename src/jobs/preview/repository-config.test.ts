import { describe, expect, it } from '@jest/globals';
import { ForgewayError } from '../../lib/errors.js';
import { parsePreviewConfig } from './repository-config.js';

function problemsOf(text: string): string[] {
  try {
    parsePreviewConfig(text);
  } catch (error) {
    if (error instanceof ForgewayError && error.code === 'FORGEWAY_REPOSITORY_CONFIG_INVALID') {
      return error.details.problems as string[];
    }
    throw error;
  }
  return [];
}

describe('.forgeway.yml', () => {
  it('reads what a preview needs', () => {
    const text =
      'preview:\n  build: [npm ci, npm run build]\n  start: npm start\n  health: /up\n  working-directory: app\n  env: { LEVEL: 3, ON: true }\n';
    expect(parsePreviewConfig(text)).toEqual({
      services: [
        {
          ...{ name: 'web', port: 8080, public: true, size: 'small', secrets: [], health: '/up' },
          source: { kind: 'commands', build: ['npm ci', 'npm run build'], start: 'npm start', workingDirectory: 'app' },
          env: { LEVEL: '3', ON: 'true' },
        },
      ],
      ...{ labels: [], paths: [], branches: [] },
    });
  });

  it('asks for little', () => {
    const source = { kind: 'commands', build: [], start: './run', workingDirectory: '.' };
    expect(parsePreviewConfig('preview:\n  start: ./run\n')?.services).toMatchObject([{ source, health: '/' }]);
    expect(parsePreviewConfig('preview: {}\n')?.services).toMatchObject([{ source: { kind: 'detect' } }]);
    expect(parsePreviewConfig('')).toBeUndefined();
    expect(parsePreviewConfig('{}')).toBeUndefined();
  });

  it('names every mistake with its line', () => {
    const problems = problemsOf(
      'preview:\n  start: run\n  biuld: x\n  health: up\n  env:\n    OK: 1\n    LD_PRELOAD: /x.so\n',
    );
    expect(problems).toHaveLength(3);
    expect(problems[0]).toBe('line 3: preview.biuld is not known');
    expect(problems).toContainEqual(expect.stringMatching(/^line 4: preview\.health: /));
    expect(problems).toContainEqual('line 7: preview.env.LD_PRELOAD: may not be set here');
  });

  it.each([
    ['a missing start', 'preview:\n  build: x\n', /^line 1: preview\.start/],
    ['an image beside a build', 'preview:\n  build: x\n  start: y\n  image: a/b\n', /^line 4: preview\.image/m],
    ['an image that is an option', 'preview:\n  image: --privileged\n', /^line 2: preview\.image/],
    ['root', 'preview:\n  image: a/b\n  user: 0\n', /^line 3: preview\.user/],
    ['no public service', 'preview:\n  services:\n    a: { image: a/b, public: false }\n', /^line 2: .*public/],
    [
      'a seed in no service',
      'preview:\n  services: { a: { image: b } }\n  database:\n    engine: redis\n    seed:\n      service: z\n      command: x\n',
      /^line 6: /,
    ],
    ['a source outside its service', 'preview:\n  image: a\n  services: { a: { image: b } }\n', /^line 2: .*belongs/],
    ['an unknown section', 'preview:\n  start: x\nservices: {}\n', /^line 3: services is not known/],
    ['a list', '- a\n', /the file/],
    ['broken YAML', 'preview:\n  start: "x\n', /^line \d+: /],
    ['a repeated key', 'preview:\n  start: a\n  start: b\n', /^line 3: /],
    ['an executable tag', 'preview:\n  start: !!js/function "x"\n', /^line 2: /],
    ['an absolute directory', 'preview:\n  start: x\n  working-directory: /etc\n', /^line 3: /],
    ['a way out', 'preview:\n  start: x\n  working-directory: a/../../b\n', /^line 3: /],
  ])('refuses %s', (_name, text, expected) => {
    expect(problemsOf(text).join('\n')).toMatch(expected);
  });

  it.each([
    'PATH',
    'HOME',
    'LD_LIBRARY_PATH',
    'NODE_OPTIONS',
    'GIT_DIR',
    'https_proxy',
    'HTTP_PROXY',
    'PORT',
    'FORGEWAY_X',
    'a-b',
    'A B',
  ])('refuses the variable %s', (name) => {
    expect(problemsOf(`preview:\n  start: x\n  env:\n    ${JSON.stringify(name)}: v\n`)).toHaveLength(1);
  });

  it('is not unfolded by aliases that multiply, and not read when it is huge', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdefg'[i]}`).join(',')}]`),
    ];
    expect(problemsOf(bomb.join('\n'))).toHaveLength(1);
    expect(problemsOf(`# ${'x'.repeat(70_000)}\n`)).toHaveLength(1);
  });
});
