/** Filling in what the hook did not carry, by asking the same forge in GitHub's language. */
import type { JsonObject, TranslatePorts } from '../../forge.js';
import { hasNoAnswer } from '../../kit/no-answer.js';
import { RouteFailure } from '../../kit/route.js';

/** The forge answered and has nothing to tell: it is gone, hidden, or this route does not exist here. */
const NOTHING_TO_TELL: ReadonlySet<number> = new Set([401, 403, 404, 405, 410, 422, 451, 501]);

/**
 * What the route answers; undefined when there is no token, or the forge will not tell.
 * @throws whatever says that the forge cannot be reached, so that the delivery is tried again
 */
export async function ask(ports: TranslatePorts, route: string, parameters: JsonObject): Promise<unknown> {
  if (ports.github === undefined) return undefined;
  try {
    return await ports.github(route, parameters);
  } catch (error) {
    if (hasNoAnswer(error) || (error instanceof RouteFailure && NOTHING_TO_TELL.has(error.status))) return undefined;
    throw error;
  }
}

export function object(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** The same, of an answer that is an object. */
export const askObject = async (
  ports: TranslatePorts,
  route: string,
  parameters: JsonObject,
): Promise<JsonObject | undefined> => object(await ask(ports, route, parameters));

/** The same, of an answer that is a list of objects. */
export async function askList(ports: TranslatePorts, route: string, parameters: JsonObject): Promise<JsonObject[]> {
  const answer = await ask(ports, route, parameters);
  return Array.isArray(answer) ? answer.map(object).filter((one) => one !== undefined) : [];
}
