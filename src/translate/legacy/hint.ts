/** What an app that was written for an older Probot stumbles over in ours, and by which level it is helped. */
import { restEndpointMethods } from '@octokit/plugin-rest-endpoint-methods';
import { ProbotOctokit } from 'probot';
import type { LegacyLevel } from './level.js';
import { namespaces } from './method-names.js';

const READING = /^Cannot read properties of undefined \(reading '(\w+)'\)$/;
const CALLING = /^(?:\w+\.)*(log|route|getRouter|github(?:\.\w+)*)(?:\.\w+)? is not a function$/;
/** Namespaces whose names nothing else has. */
const OF_GITHUB: ReadonlySet<string> = new Set(['issues', 'pulls', 'repos', 'checks', 'reactions']);
const CALLED: Readonly<Record<string, LegacyLevel>> = { log: 'v12', getRouter: 'v12', route: 'v9' };

/** `github.issues` and `octokit.issues.createComment` are both nothing: the first was `context.github`, the second has no `rest`. */
function levelOf(property: string): LegacyLevel | undefined {
  if (Object.hasOwn(namespaces, property) || OF_GITHUB.has(property)) return 'v9';
  // `get` and `list` are methods of many things.
  if (!/[A-Z]/.test(property)) return undefined;
  const { rest } = restEndpointMethods(new ProbotOctokit() as never);
  return Object.values(rest).some((methods) => Object.hasOwn(methods, property)) ? 'v13' : undefined;
}

/** The level that may help against what a handler threw; undefined where nothing speaks for it. */
export function legacyHint(error: Error): LegacyLevel | undefined {
  if (error.name !== 'TypeError') return undefined;
  const [, property] = READING.exec(error.message) ?? [];
  // `({ app, getRouter }) => app.on(…)` was Probot 10's.
  if (property === 'on') return 'v12';
  if (property !== undefined) return levelOf(property);
  const [, called] = CALLING.exec(error.message) ?? [];
  return called === undefined ? undefined : (CALLED[called] ?? 'v9');
}
