/** Documents that make and change workspaces. Attributes that there are not are passed over, as in the API this follows. */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import { parseVersionConstraint } from '../../lib/version-constraint.js';
import type { WorkspaceChange } from '../../store/workspace/workspaces.js';
import { InvalidRequest, type Issue, parseInput } from '../problem.js';
import { bindings, MOST_TAGS, tagName } from './tags.js';
import { WORKSPACES } from './workspace-document.js';

export const attributeIssue = (name: string, message: string): Issue => ({
  path: ['data', 'attributes', name],
  message,
});
export const relationshipIssue = (name: string, message: string): Issue => ({
  path: ['data', 'relationships', name],
  message,
});

const MOST_PREFIXES = 20;
const NAME = /^[A-Za-z0-9_-]{1,90}$/;

/** `terraform/`, `./terraform` and `/terraform` are one directory. */
const directory = z
  .string()
  .max(500)
  .transform((text) =>
    text
      .trim()
      .replace(/^(?:\.?\/)+|^\.$/, '')
      .replace(/\/+$/, ''),
  )
  .refine(
    (text) => text === '' || text.split('/').every((part) => /^[^\0\\]+$/.test(part) && !/^\.{1,2}$/.test(part)),
    {
      error: 'must be a path inside the repository, such as terraform/network',
    },
  );

const attributesSchema = z.object({
  name: z.string().regex(NAME, 'must be 1 to 90 letters, digits, - and _').optional(),
  description: z.string().max(2_000).nullish(),
  'execution-mode': z.enum(['remote', 'local', 'agent'], { error: 'must be remote, local or agent' }).nullish(),
  /** How older clients say remote or local. */
  operations: z.boolean().nullish(),
  'auto-apply': z.boolean({ error: 'must be true or false' }).nullish(),
  'terraform-version': z
    .string()
    .max(50)
    .transform((text) => (text === '' || text === 'latest' ? null : text))
    .refine(
      (text) => text === null || parseVersionConstraint(text) !== undefined,
      'must be a version such as 1.11.4, a constraint such as ~> 1.9, or latest',
    )
    .nullish(),
  'working-directory': directory.nullish(),
  'vcs-working-directory': directory.nullish(),
  'trigger-prefixes': z
    .array(directory, { error: 'must be a list of paths' })
    .max(MOST_PREFIXES, `must be at most ${MOST_PREFIXES} paths`)
    .nullish(),
  'speculative-enabled': z.boolean().nullish(),
  'allow-destroy-plan': z.boolean().nullish(),
  'tag-names': z.array(tagName).max(MOST_TAGS).nullish(),
  'vcs-repo-url': z.string().max(1_000).nullish(),
  'vcs-branch': z.string().max(255).nullish(),
  'vcs-repo': z
    .object(
      { identifier: z.string().max(500), branch: z.string().max(255).nullish() },
      { error: 'needs an identifier' },
    )
    .nullish(),
});

const relationshipsSchema = z.object({
  'vcs-connection': z
    .object({ data: z.object({ id: z.string().max(100), type: z.string().max(100) }).nullable() })
    .optional(),
  tags: z.object({ data: z.array(z.object({ attributes: z.object({ name: tagName }) })).max(MOST_TAGS) }).optional(),
  'tag-bindings': z.object({ data: bindings }).optional(),
});

const documentSchema = z.object({
  data: z.object({
    type: z.string(),
    id: z.string().optional(),
    attributes: attributesSchema.default({}),
    relationships: relationshipsSchema.default({}),
  }),
});

/** What is said about the repository; undefined: nothing is. */
export interface WantedLink {
  /** Null: disconnect. */
  url?: string | null;
  /** Owner and name on the connection's instance, in place of the whole address. */
  identifier?: string;
  branch?: string | null;
  /** External id; null: none. */
  connection?: string | null;
}

export interface WantedWorkspace {
  change: WorkspaceChange;
  /** Undefined: what there is of this kind stays. */
  tags: { names: string[] | undefined; bindings: string[] | undefined };
  link: WantedLink;
}

/** @throws ForgewayError FORGEWAY_REQUEST_INVALID with everything that is wrong, FORGEWAY_CONFLICT for another type */
export function readWorkspace(body: unknown, externalId?: string): WantedWorkspace {
  const { data } = parseInput(documentSchema, body);
  if (data.type !== WORKSPACES)
    throw new ForgewayError('FORGEWAY_CONFLICT', `The type of the resource must be ${WORKSPACES}.`);
  if (data.id !== undefined && externalId !== undefined && data.id !== externalId)
    throw new ForgewayError('FORGEWAY_CONFLICT', 'The id in the document is not the one in the address.');
  const { attributes: a, relationships } = data;
  const issues: Issue[] = [];
  const [one, other] = [a['working-directory'], a['vcs-working-directory']];
  if (one != null && other != null && one !== other)
    issues.push(attributeIssue('vcs-working-directory', 'is another directory than working-directory says'));
  if (a['vcs-repo'] != null && a['vcs-repo-url'])
    issues.push(attributeIssue('vcs-repo', 'says a second time what vcs-repo-url says'));
  if (issues.length > 0) throw new InvalidRequest(issues);
  const mode = a['execution-mode'] ?? (a.operations == null ? undefined : a.operations ? 'remote' : 'local');
  const version = a['terraform-version'];
  const names = a['tag-names'] ?? relationships.tags?.data.map(({ attributes }) => attributes.name);
  return {
    change: {
      name: a.name,
      description: a.description,
      executionMode: mode ?? undefined,
      autoApply: a['auto-apply'] ?? undefined,
      terraformVersion: version,
      workingDirectory: one ?? other ?? undefined,
      triggerPrefixes: a['trigger-prefixes']?.filter((prefix) => prefix !== '') ?? undefined,
      speculativeEnabled: a['speculative-enabled'] ?? undefined,
      allowDestroyPlan: a['allow-destroy-plan'] ?? undefined,
    },
    tags: { names, bindings: relationships['tag-bindings']?.data },
    link: linkOf(a, relationships),
  };
}

function linkOf(a: z.output<typeof attributesSchema>, relationships: z.output<typeof relationshipsSchema>): WantedLink {
  const { 'vcs-repo': repo, 'vcs-repo-url': url, 'vcs-branch': branch } = a;
  const connection = relationships['vcs-connection']?.data;
  const branchOf = (text: string | null | undefined) => (text === '' ? null : text);
  return {
    ...(url !== undefined && { url: url === '' || url === null ? null : url }),
    ...(repo === null && url === undefined && { url: null }),
    ...(repo && { identifier: repo.identifier, branch: branchOf(repo.branch ?? null) }),
    ...(branch !== undefined && { branch: branchOf(branch) }),
    ...(connection !== undefined && { connection: connection?.id ?? null }),
  };
}
