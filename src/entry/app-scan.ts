/**
 * Which routes an app's source mentions, and which forge has them. Reads text and runs nothing: methods that are called by
 * a computed name are not found, and code that is never reached is.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { restEndpointMethods } from '@octokit/plugin-rest-endpoint-methods';
import { ProbotOctokit } from 'probot';
import type { ForgeDescriptor } from '../forges/forge.js';
import type { Support } from '../forges/kit/route.js';
import { createRouter } from '../forges/kit/router.js';
import { installationRoutes } from '../translate/installation-routes.js';
import { had, type LegacyLevel } from '../translate/legacy/level.js';
import { methods as oldMethods, namespaces as oldNamespaces } from '../translate/legacy/method-names.js';
import { fileAt } from './app-source.js';

export interface RouteRow {
  /** GitHub's route string, or `GraphQL`. */
  route: string;
  /** By the forge's label. */
  forges: Readonly<Record<string, Support | 'none'>>;
  /** Why a forge does less, one sentence each. */
  notes: readonly string[];
}

const MOST_FILES = 500;
const IMPORT = /(?:\bfrom|\bimport|\brequire\()\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;
const METHOD = /\.([a-z][A-Za-z]+)(?=\s*\.([a-z][A-Za-z]+))/g;
const OLD_CALL = /\boctokit\.([a-z][A-Za-z]+)\.[a-z][A-Za-z]+(?=\()/g;
const ROUTE = /['"`](GET|POST|PUT|PATCH|DELETE) (\/[^'"`\s]+)['"`]/g;
const CONFIG = /\.config\(|probot-config/;
const GRAPHQL = /\.graphql\b|\.query\(/;
const CONTENTS = 'GET /repos/{owner}/{repo}/contents/{path}';
const GRAPHQL_ROW = 'GraphQL';

/** The text of the file and of all that it imports by a relative path, by file. */
export function sourcesOf(file: string): ReadonlyMap<string, string> {
  const seen = new Set([file]);
  const texts = new Map<string, string>();
  for (const path of seen) {
    const text = readFileSync(path, 'utf8');
    texts.set(path, text);
    for (const [, target = ''] of text.matchAll(IMPORT)) {
      // TypeScript names the file that will be there.
      const found =
        fileAt(resolve(dirname(path), target)) ?? fileAt(resolve(dirname(path), target.replace(/\.js$/, '')));
      if (found !== undefined && seen.size < MOST_FILES) seen.add(found);
    }
  }
  return texts;
}

interface Endpoint {
  endpoint?: { DEFAULTS: { method: string; url: string } };
}

/** GitHub's route strings that the source mentions, in alphabetical order. */
export function scanRoutes(file: string, legacy?: LegacyLevel): string[] {
  const { rest } = restEndpointMethods(new ProbotOctokit() as never);
  const table = rest as unknown as Readonly<Record<string, Readonly<Record<string, Endpoint | undefined>>>>;
  const old = legacy !== undefined && had(legacy, 'v9');
  const found = new Set<string>();
  for (const text of sourcesOf(file).values()) {
    for (const [, given = '', method = ''] of text.matchAll(METHOD)) {
      const namespace = old ? (oldNamespaces[given] ?? given) : given;
      const known = Object.hasOwn(table, namespace) ? table[namespace] : undefined;
      const name = old ? (oldMethods[namespace]?.[method] ?? method) : method;
      const endpoint = known?.[name]?.endpoint?.DEFAULTS;
      if (endpoint !== undefined) found.add(`${endpoint.method} ${endpoint.url}`);
    }
    for (const [, method = '', path = ''] of text.matchAll(ROUTE))
      found.add(`${method} ${path.replaceAll(/\$\{[^}]*\}/g, '{}')}`);
    if (CONFIG.test(text)) found.add(CONTENTS);
    if (GRAPHQL.test(text)) found.add(GRAPHQL_ROW);
  }
  return [...found].sort();
}

/** A method that is called as before Probot 14, without `rest`: nothing is there then, unless the app runs with `--legacy`. */
export function scanOldCall(file: string): string | undefined {
  const { rest } = restEndpointMethods(new ProbotOctokit() as never);
  for (const text of sourcesOf(file).values())
    for (const [call, namespace = ''] of text.matchAll(OLD_CALL)) if (Object.hasOwn(rest, namespace)) return call;
  return undefined;
}

/** What each forge does of these routes. */
export function routeRows(routes: readonly string[], forges: readonly ForgeDescriptor[]): RouteRow[] {
  const own = createRouter(installationRoutes);
  const given = forges.map((forge) => ({ forge, router: forge.routes && createRouter(forge.routes) }));
  return routes.map((route) => {
    const [method = '', path = ''] = route.split(' ');
    const notes: string[] = [];
    const supports = given.map(({ forge, router }): [string, Support | 'none'] => {
      if (router === undefined) return [forge.label, 'exact'];
      if (route === GRAPHQL_ROW) return [forge.label, 'partial'];
      const row = own.match(method, path)?.route ?? router.match(method, path)?.route;
      if (row?.note !== undefined && row.support === 'partial') notes.push(`${forge.label}: ${row.note}`);
      return [forge.label, row?.support ?? 'none'];
    });
    return { route, forges: Object.fromEntries(supports), notes };
  });
}
