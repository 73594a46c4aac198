/** Labels by name, as GitHub knows them, and by id, as the forge wants them. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { invalid, type RouteContext, type RouteRequest } from '../../kit/route.js';
import type { Id } from '../../kit/shapes/inputs.js';
import { idOf, objectOf, param, repoPath, textOf } from './native.js';
import { everything } from './pages.js';

/** The grey that GitHub gives a label that it makes by the way. */
export const NEW_LABEL_COLOR = 'ededed';

export interface KnownLabel {
  id: Id;
  name: string;
  native: JsonObject;
  /** Native route of this label: an organization's stands beside those of the repository. */
  path: string;
}

const known = (value: unknown, path: string): KnownLabel => {
  const native = objectOf(value);
  const id = idOf(native);
  return { id, name: textOf(native, 'name'), native, path: `${path}/${id}` };
};

/** Every label that may stand on an issue: the repository's, then those of its organization. */
export async function allLabels(request: RouteRequest, context: RouteContext): Promise<KnownLabel[]> {
  const own = `${repoPath(request)}/labels`;
  const shared = `/orgs/${segment(param(request, 'owner'))}/labels`;
  const [labels, organization] = [
    await everything(context, own),
    // 404 where the owner is a person.
    (await context.native.find(shared, { page: 1, limit: 1 })) === undefined ? [] : await everything(context, shared),
  ];
  return [...labels.map((one) => known(one, own)), ...organization.map((one) => known(one, shared))];
}

/** GitHub does not look at case; where two differ by nothing else the exact one is meant. */
export function labelNamed<T extends { name: string }>(labels: readonly T[], name: string): T | undefined {
  const lower = name.toLowerCase();
  return labels.find((one) => one.name === name) ?? labels.find((one) => one.name.toLowerCase() === lower);
}

/** Names in `["bug", { "name": "ui" }]`, each once. @throws RouteFailure 422 for anything else */
export function labelNames(value: unknown): string[] {
  if (!Array.isArray(value)) throw invalid('Label', 'labels', 'invalid');
  const names = value.map((entry: unknown) => (typeof entry === 'string' ? entry : textOf(objectOf(entry), 'name')));
  if (names.some((name) => name.trim() === '')) throw invalid('Label', 'name', 'missing_field');
  return [...new Map(names.map((name) => [name.toLowerCase(), name])).values()];
}

/** Ids of these labels; GitHub makes a label that does not exist yet, and so do we. */
export async function labelIds(request: RouteRequest, context: RouteContext, names: readonly string[]): Promise<Id[]> {
  if (names.length === 0) return [];
  const labels = await allLabels(request, context);
  const ids: Id[] = [];
  for (const name of names) {
    const label = labelNamed(labels, name);
    if (label) ids.push(label.id);
    else {
      const { data } = await context.native.send('POST', `${repoPath(request)}/labels`, {
        json: { name, color: `#${NEW_LABEL_COLOR}` },
      });
      ids.push(idOf(objectOf(data)));
    }
  }
  return ids;
}
