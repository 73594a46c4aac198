/** `.forgeway.yml`: what a repository says about its preview. Read from the default branch only. */
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { isAllowedVariable } from '../../effects/process/clean-environment.js';
import { ForgewayError } from '../../lib/errors.js';
import { workspacesSection } from '../run/repository-section.js';

export const CONFIG_PATH = '.forgeway.yml';
const SIZE_LIMIT = 64 * 1024;

const command = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(8_192)
  .refine((text) => !text.includes('\0'), 'contains a NUL');
/** Below the checkout, whatever it says: no absolute path, no way up. */
const directory = z
  .string()
  .max(1_024)
  .refine((text) => !text.startsWith('/') && !text.split('/').includes('..') && !text.includes('\0'), {
    message: 'must be a path inside the repository',
  });

const previewSchema = z.strictObject({
  build: z.union([command, z.array(command).max(50)]).optional(),
  start: command,
  health: z
    .string()
    .max(1_024)
    .regex(/^\/[\x21-\x7e]*$/, 'must be a path that begins with /')
    .default('/'),
  'working-directory': directory.default('.'),
  env: z
    .record(z.string(), z.union([z.string().max(32_768), z.number(), z.boolean()]).transform(String))
    .default({})
    .superRefine((env, context) => {
      for (const name of Object.keys(env)) {
        if (!isAllowedVariable(name))
          context.addIssue({ code: 'custom', path: [name], message: 'may not be set here' });
      }
    }),
});

const schema = z.strictObject({ preview: previewSchema.optional(), workspaces: workspacesSection.optional() });

export interface PreviewConfig {
  build: readonly string[];
  start: string;
  /** Path that must answer before the preview counts as ready. */
  health: string;
  workingDirectory: string;
  env: Readonly<Record<string, string>>;
}

function invalid(problems: readonly string[]): never {
  throw new ForgewayError('FORGEWAY_REPOSITORY_CONFIG_INVALID', `${CONFIG_PATH}: ${problems.join('; ')}`, {
    details: { problems },
  });
}

/**
 * The `preview` section, or undefined when there is none.
 * @throws ForgewayError FORGEWAY_REPOSITORY_CONFIG_INVALID that names every mistake with its line
 */
export function parsePreviewConfig(text: string): PreviewConfig | undefined {
  if (Buffer.byteLength(text) > SIZE_LIMIT) invalid([`is larger than ${SIZE_LIMIT / 1024} KiB`]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', schema: 'core', merge: false });
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    invalid(syntax.map((problem) => `line ${lines.linePos(problem.pos[0]).line}: ${problem.message.split('\n')[0]}`));
  }

  /** The line of a key or, for a list item or a missing key, of what holds it. */
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
      const pair = isMap(parent)
        ? parent.items.find((item) => isScalar(item.key) && item.key.value === path[length - 1])
        : undefined;
      if (pair !== undefined && isScalar(pair.key) && pair.key.range) return lines.linePos(pair.key.range[0]).line;
    }
    return 1;
  };

  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 20 }) ?? {};
  } catch {
    // Only aliases that multiply can fail here, and only their number says why.
    invalid(['uses too many aliases']);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap(({ path, message, ...issue }) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => ({ line: lineOf([...path, key]), text: `${[...path, key].join('.')} is not known` }))
        : [{ line: lineOf(path), text: `${path.join('.') || 'the file'}: ${message}` }],
    );
    invalid(problems.sort((a, b) => a.line - b.line).map(({ line, text }) => `line ${line}: ${text}`));
  }
  const { preview } = parsed.data;
  if (preview === undefined) return undefined;
  const build = preview.build ?? [];
  return {
    build: typeof build === 'string' ? [build] : build,
    start: preview.start,
    health: preview.health,
    workingDirectory: preview['working-directory'],
    env: preview.env,
  };
}
