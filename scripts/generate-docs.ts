/** Writes the documents that are made from code; `--check` only compares and fails when one is out of date. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ActionRule, actions } from '../src/accounts/access/actions.js';
import { openApiDocument } from '../src/api/openapi.js';
import { type Variable, variables } from '../src/config/variables.js';
import { commands } from '../src/handlers/commands/table.js';
import { administratorFiles } from '../src/jobs/preview/kubernetes/manifests/administrator.js';
import { repositorySchema } from '../src/jobs/preview/repository-config.js';
import { errorTable } from '../src/lib/errors.js';
import { supportMatrix } from './support-matrix.js';

const cell = (text: string) => text.replaceAll('|', '\\|');

function configuration(): string {
  const rows = Object.values<Variable>(variables).map((v) => {
    const names = [`\`${v.name}\``, ...(v.aliases ?? []).map((alias) => `(\`${alias}\`)`)].join(' ');
    return `| ${names} | ${cell(v.meaning)}${v.secret ? ' Secret.' : ''} | ${v.default === undefined ? (v.defaultNote ?? '') : `\`${v.default}\``} |`;
  });
  return [
    '# Configuration',
    '',
    'Made from `src/config/variables.ts` by `npm run generate:docs`. Everything is an environment variable, checked together',
    'at start: all problems are listed at once, each with what to do. `forgeway doctor` shows the same table. Names in',
    'parentheses are accepted too.',
    '',
    '| variable | meaning | default |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function errors(): string {
  const rows = Object.entries(errorTable).map(
    ([code, e]) =>
      `| \`${code}\` | ${e.status} | ${e.retry === 'never' ? 'no' : 'yes'} | ${cell(e.meaning)} | ${cell(e.fix)} |`,
  );
  return [
    '# Errors',
    '',
    'Made from `src/lib/errors.ts` by `npm run generate:docs`. Every error that Forgeway raises itself carries one of these codes.',
    '“Retried” says whether Forgeway tries again by itself. An app on `context.octokit` sees Octokit’s own `RequestError`.',
    '',
    '| code | status | retried | meaning | what to do |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function commandList(): string {
  const rows = [...commands.values()].map(({ usage, means, action, onlyOnPullRequests }) => {
    const rule: ActionRule = actions[action];
    return `| \`${cell(usage)}\` | ${cell(means)} | ${rule.forge ?? 'not from a forge'} | ${onlyOnPullRequests ? 'pull requests' : 'issues and pull requests'} |`;
  });
  return [
    '# Commands in comments',
    '',
    'Made from `src/handlers/commands/table.ts` by `npm run generate:docs`. A command stands at the start of a line of a new comment or review,',
    'outside code and quotations, and may be written `/fw name` too. The right is asked of the forge when the command is run; 👀 says',
    'that it was read, 🚀 that it was done, 😕 that it was not. `/help` lists what you may use where you are.',
    '',
    '| command | does | least right | on |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

const documents: Record<string, string> = {
  'docs/commands.md': commandList(),
  'docs/configuration.md': configuration(),
  'docs/errors.md': errors(),
  'docs/support-matrix.md': supportMatrix(),
  'docs/forgeway.schema.json': `${JSON.stringify(repositorySchema(), null, 2)}\n`,
  ...administratorFiles(),
  'docs/openapi.json': `${JSON.stringify(openApiDocument(), null, 1)}\n`,
};
const check = process.argv.includes('--check');
const stale = Object.entries(documents).filter(([path, text]) => {
  if (!check) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return check && (!existsSync(path) || readFileSync(path, 'utf8') !== text);
});
for (const [path] of stale) console.error(`${path} is out of date: npm run generate:docs`);
process.exitCode = stale.length > 0 ? 1 : 0;
