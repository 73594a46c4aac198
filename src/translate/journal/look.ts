/** Asks the forge, in GitHub's language and as the credential that wrote, whether a write arrived. */
import type { JsonObject } from '../../forges/forge.js';
import { parseJson } from '../../forges/kit/json-body.js';
import { expandRoute } from '../../forges/kit/router.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Credential } from '../credential.js';
import type { Fetch } from '../forge-fetch.js';
import { isRateLimit } from '../request-limits.js';
import type { InFlight } from './in-flight.js';

export interface Look {
  /** The object, or undefined when there is none. */
  get(route: string, parameters: JsonObject): Promise<JsonObject | undefined>;
  /**
   * All pages, or as far as `enough` says. `under`: the list is not the whole answer but a field of it.
   * @throws CannotLook when the list is too long to be read
   */
  list(
    route: string,
    parameters: JsonObject,
    options?: { under?: string; enough?: (item: JsonObject) => boolean },
  ): Promise<JsonObject[]>;
  /** Whether our account, or our App, is the author. */
  isOurs(item: JsonObject): Promise<boolean>;
  /** The login that owns what the credential makes for itself. */
  ownLogin(): Promise<string>;
  /** Whether the forge dates it after the write was sent first, by the forge's own clock. Ask after a list or a get. */
  isSince(date: unknown): boolean;
  /** For lists that can be narrowed: early enough whatever the forge's clock says. */
  readonly since: string;
}

/** Whether the write arrived cannot be found out. */
export class CannotLook extends Error {
  override readonly name = 'CannotLook';
}

const PER_PAGE = 100;
const MOST_PAGES = 10;
const NOT_THERE: ReadonlySet<number> = new Set([404, 410]);
/** When the forge tells its clock, only the network stands between its time and ours. */
const KNOWN_CLOCK_MARGIN_MS = 120_000;
const UNKNOWN_CLOCK_MARGIN_MS = 3_600_000;
const HAS_NEXT = /;\s*rel="?next"?/;
const LIST_MARGIN_MS = 25 * 3_600_000;

const objectOf = (value: unknown): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;

/** `sentAt`: when the write was sent first. `inFlight` is filled in by the look's own requests. */
export function createLook(o: { credential: Credential; ask: Fetch; sentAt: Date; inFlight: InFlight }): Look {
  const { credential, ask, sentAt, inFlight } = o;

  const read = async (route: string, parameters: JsonObject): Promise<{ data: unknown; next: boolean }> => {
    const { path } = expandRoute(route, parameters);
    const response = await ask(`${credential.baseUrl}${path}`, {
      method: 'GET',
      headers: { accept: 'application/vnd.github+json' },
    });
    const { status, headers } = response;
    if (response.ok) return { data: parseJson(await response.text()), next: HAS_NEXT.test(headers.get('link') ?? '') };
    if (NOT_THERE.has(status)) return { data: undefined, next: false };
    if ((status >= 500 && status !== 501) || isRateLimit(status, headers))
      throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', `The look for a write was answered ${status}.`);
    throw new CannotLook(`${route} was answered ${status}`);
  };

  const identity = async (): Promise<{ id?: string; login: string }> => {
    const { connection } = credential;
    if (connection !== undefined) return { id: String(connection.account.id), login: connection.account.login };
    const app = objectOf((await read('GET /app', {})).data);
    if (typeof app?.slug !== 'string') throw new CannotLook('the forge does not say which App this is');
    return { login: `${app.slug}[bot]` };
  };
  const known: { identity?: ReturnType<typeof identity> } = {};
  const us = () => {
    known.identity ??= identity();
    return known.identity;
  };

  return {
    get: async (route, parameters) => objectOf((await read(route, parameters)).data),
    async list(route, parameters, { under, enough } = {}) {
      const found: JsonObject[] = [];
      for (let page = 1; page <= MOST_PAGES; page += 1) {
        const { data, next } = await read(route, { ...parameters, per_page: PER_PAGE, page });
        const items = under === undefined ? data : objectOf(data)?.[under];
        const objects = (Array.isArray(items) ? (items as unknown[]) : [])
          .map(objectOf)
          .filter((item): item is JsonObject => item !== undefined);
        found.push(...objects);
        if (!next || objects.some((item) => enough?.(item) === true)) return found;
      }
      throw new CannotLook(`${route} has more than ${MOST_PAGES} pages`);
    },
    async isOurs(item) {
      const { id, login } = await us();
      const via = objectOf(item.performed_via_github_app)?.id;
      const appId = credential.installation?.app.appId;
      if (via !== undefined && appId !== undefined) return String(via) === appId;
      const author = objectOf(item.user) ?? objectOf(item.author);
      if (id !== undefined && author?.id !== undefined) return String(author.id) === id;
      return typeof author?.login === 'string' && author.login.toLowerCase() === login.toLowerCase();
    },
    ownLogin: async () => (await us()).login,
    isSince(date) {
      const at = Date.parse(String(date));
      const offset = inFlight.clockOffsetMs;
      const margin = offset === undefined ? UNKNOWN_CLOCK_MARGIN_MS : KNOWN_CLOCK_MARGIN_MS;
      return Number.isNaN(at) || at >= sentAt.getTime() + (offset ?? 0) - margin;
    },
    since: new Date(sentAt.getTime() - LIST_MARGIN_MS).toISOString(),
  };
}
