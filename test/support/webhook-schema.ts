/**
 * Checks objects against the JSON schemas of GitHub's webhooks. Required fields, types and formats are held to; fields that
 * the schemas do not list are allowed, since GitHub's API answers more than its webhooks carry, and its webhooks carry
 * more than the schemas know.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';

interface Schemas {
  definitions: Record<string, unknown>;
}

const { definitions } = withUnlistedFields(
  JSON.parse(readFileSync(createRequire(import.meta.url).resolve('@octokit/webhooks-schemas/schema.json'), 'utf8')),
) as Schemas;
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'github', definitions });
const compiled = new Map<string, ValidateFunction>();

/** The schema without its bans on further fields, by which alone some of the forms that it offers exclude each other. */
function withUnlistedFields(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withUnlistedFields);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => key !== 'additionalProperties' || value !== false)
      .map(([key, value]) => [key === 'oneOf' ? 'anyOf' : key, withUnlistedFields(value)]),
  );
}

/** What is wrong with a value, such as `/user/login must be string`; empty when it is right. @throws Error for an unknown definition */
export function githubDefinitionErrors(definition: string, value: unknown): string[] {
  if (!(definition in definitions)) throw new Error(`GitHub's schemas do not define ${definition}.`);
  const check =
    compiled.get(definition) ?? ajv.compile({ $ref: `github#/definitions/${definition.replaceAll('$', '%24')}` });
  compiled.set(definition, check);
  // Checked as it would travel: an undefined field is not there.
  if (check(JSON.parse(JSON.stringify(value)))) return [];
  return (check.errors ?? []).map((error) => {
    const allowed = error.keyword === 'enum' ? `: ${JSON.stringify(error.params.allowedValues)}` : '';
    return `${error.instancePath || '/'} ${error.message ?? error.keyword}${allowed}`;
  });
}

/** What is wrong with a whole event's payload. An event or action that GitHub does not send is wrong too. */
export function githubEventErrors(name: string, payload: unknown): string[] {
  const action = typeof payload === 'object' && payload !== null && 'action' in payload ? payload.action : 'event';
  const definition = `${name}$${String(action)}`;
  if (!(definition in definitions)) return [`GitHub sends no ${name} event with the action ${String(action)}.`];
  return githubDefinitionErrors(definition, payload);
}

/** A part of an event's schema that has no definition of its own, such as `check_run$completed` and `check_run`. */
export function githubFieldErrors(definition: string, field: string, value: unknown): string[] {
  return githubDefinitionErrors(definition, { [field]: value })
    .filter((error) => error.startsWith(`/${field}/`) || error.startsWith(`/${field} `))
    .map((error) => error.slice(field.length + 1).replace(/^ /, '/ '));
}
