/** `.forgeway.yml`: what a repository says about its previews, runs and agents. Read from the default branch only. */
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import { type AgentsSection, agentsSection } from '../agent/repository-section.js';
import { workspacesSection } from '../run/repository-section.js';
import { previewConfigOf, previewSection } from './config-schema.js';
import type { PreviewConfig } from './preview-config.js';

export const CONFIG_PATH = '.forgeway.yml';
const SIZE_LIMIT = 64 * 1024;

const schema = z.strictObject({
  preview: previewSection.optional(),
  workspaces: workspacesSection.optional(),
  agents: agentsSection.optional(),
});

/** For editors: what may be written, as JSON Schema. What depends on more than one key is only checked when it is read. */
export const repositorySchema = (): object => ({
  title: CONFIG_PATH,
  ...z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any' }),
});

function invalid(problems: readonly string[]): never {
  throw new ForgewayError('FORGEWAY_REPOSITORY_CONFIG_INVALID', `${CONFIG_PATH}: ${problems.join('; ')}`, {
    details: { problems },
  });
}

/**
 * The whole file.
 * @throws ForgewayError FORGEWAY_REPOSITORY_CONFIG_INVALID that names every mistake with its line
 */
function parse(text: string): z.output<typeof schema> {
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
  return parsed.data;
}

/** The `preview` section, or undefined when there is none. @throws as {@link parse} */
export function parsePreviewConfig(text: string): PreviewConfig | undefined {
  const { preview } = parse(text);
  return preview && previewConfigOf(preview);
}

/** The `agents` section, or undefined when there is none. @throws as {@link parse} */
export const parseAgentsSection = (text: string): AgentsSection | undefined => parse(text).agents;
