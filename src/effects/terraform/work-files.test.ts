/** What is written for Terraform and for the shell, with values that try to be more than values. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { TerraformVariable } from './executor.js';
import { homeFrom, overrideFile, planArguments, secretsFile, variablesFile } from './work-files.js';

const env = (key: string, value: string): TerraformVariable => ({ key, value, category: 'env', hcl: false });
const variable = (key: string, value: string, hcl = false): TerraformVariable => ({
  ...{ key, value, category: 'terraform', hcl },
});

const HOSTILE = [
  "it's",
  "'; touch /tmp/owned; '",
  '$(id)',
  '`id`',
  'two\nlines',
  '"quoted" \\ back',
  '${path.module}',
  '%{ if true }x%{ endif }',
  '$${kept}',
  'tab\tand \u2028',
  '',
  '-target=x',
];

describe('the environment of a workspace', () => {
  it('comes out of a shell as it went in', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'forgeway-env-'));
    try {
      const file = join(directory, 'environment');
      await writeFile(file, secretsFile(HOSTILE.map((value, n) => env(`V${n}`, value))));
      const printed = execFileSync('/bin/sh', ['-c', '. "$1"; env -0', 'sh', file], { env: {}, encoding: 'utf8' });
      const seen = Object.fromEntries(
        printed.split('\0').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
      );
      expect(HOSTILE.map((_, n) => seen[`V${n}`])).toEqual(HOSTILE);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('leaves out what changes our own programs, and names that are none', () => {
    const names = [
      'PATH',
      'LD_PRELOAD',
      'HOME',
      'GIT_SSH_COMMAND',
      'BASH_ENV',
      'HTTPS_PROXY',
      'a b',
      '1x',
      'x;id',
      'X\n',
    ];
    expect(secretsFile(names.map((name) => env(name, 'x')))).toBe('');
    expect(secretsFile([env('NUL', 'a\0b'), variable('region', 'x')])).toBe('');
    expect(secretsFile([env('AWS_ACCESS_KEY_ID', 'x')])).toBe("export AWS_ACCESS_KEY_ID='x'\n");
  });
});

describe('files beside a configuration', () => {
  it('say texts as texts and expressions as expressions', () => {
    expect(variablesFile([variable('a', '${path.module} "x"\n%{if}'), variable('list', '["a", "b"]', true)])).toBe(
      'a = "$${path.module} \\"x\\"\\u000a%%{if}"\nlist = ["a", "b"]\n',
    );
    expect(variablesFile([variable('a = 1\nb', 'x'), env('E', 'x')])).toBe('');
  });

  it('keep the state at the same relative place wherever the work lies', () => {
    expect(homeFrom('')).toBe('../home');
    expect(homeFrom('envs/prod')).toBe('../../../home');
    expect(overrideFile('envs/prod')).toContain('path = "../../../home/state/terraform.tfstate"');
  });

  it('hand what a run asks for on as options with a value', () => {
    const options = {
      destroy: true,
      refresh: false,
      refreshOnly: false,
      targets: ['-out=/x', 'a.b'],
      replace: ['c["$(id)"]'],
    };
    expect(planArguments(options)).toEqual([
      '-destroy',
      '-refresh=false',
      '-target=-out=/x',
      '-target=a.b',
      '-replace=c["$(id)"]',
    ]);
  });
});
