/**
 * `_extends` of `context.config()` where a repository's owner has a name that GitHub gives nobody: a group in a group, a name with
 * a dot or an underscore. Probot's own reader refuses what is no name of GitHub's; here it reads a name that it takes in the
 * place of the owner's, and the owner is asked.
 */
import { createHash } from 'node:crypto';
import { composeConfigGet } from '@probot/octokit-plugin-config';

type Reader = Parameters<typeof composeConfigGet>[0];
type Options = Parameters<typeof composeConfigGet>[1];

interface Endpoint {
  owner?: string;
  [name: string]: unknown;
}

/** What Probot's reader takes. */
const TAKEN = /^(?:[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}\/)?[-_.\w]+(?::[-_./\w]+\.ya?ml)?$/i;
/** The same with any owner, whose groups are written with `/` as on the forge or with `~` as apps see them. */
const NAMED = /^((?:[-.~\w]{1,255}\/){0,19}[-.~\w]{1,255})\/([-_.\w]+(?::[-_./\w]+\.ya?ml)?)$/;
/** The line of the file that says so. */
const LINE =
  /^(?<key>(["']?)_extends\2\s*:\s*)(?<quote>["']?)(?<value>[^"'#\r\n]*?[^"'#\r\n\s])\k<quote>(?<rest>\s*(?:#.*)?)$/m;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One reading, with the names that stand for owners in it. */
class Aliases {
  readonly #owners = new Map<string, string>();

  /** The value as Probot's reader takes it. */
  of(value: string): string {
    const [, owner, rest] = TAKEN.test(value) ? [] : (NAMED.exec(value) ?? []);
    if (owner === undefined || rest === undefined) return value;
    const login = owner.replaceAll('/', '~');
    const alias = `owner-${createHash('sha256').update(login).digest('hex').slice(0, 24)}`;
    this.#owners.set(alias, login);
    return `${alias}/${rest}`;
  }

  ownerOf(name: string): string {
    return this.#owners.get(name) ?? name;
  }

  /** What a file says, with such a value in the place of its own. */
  within(data: unknown): unknown {
    if (isObject(data) && typeof data._extends === 'string') return { ...data, _extends: this.of(data._extends) };
    if (typeof data !== 'string') return data;
    return data.replace(LINE, (line: string, ...of: unknown[]) => {
      const { key, quote, value, rest } = of.at(-1) as Record<'key' | 'quote' | 'value' | 'rest', string>;
      const taken = this.of(value);
      return taken === value ? line : `${key}${quote}${taken}${quote}${rest}`;
    });
  }
}

/** An Octokit plugin; it replaces `octokit.config`. */
export function configExtends(octokit: Reader) {
  return {
    config: {
      async get(options: Options) {
        const aliases = new Aliases();
        const named = (endpoint: Endpoint) => ({ ...endpoint, owner: aliases.ownerOf(String(endpoint.owner)) });
        const request = async (endpoint: Endpoint) => {
          const answer = await octokit.request(named(endpoint) as never);
          return { ...answer, data: aliases.within(answer.data) };
        };
        const endpoint = (of: Endpoint) => octokit.request.endpoint(named(of) as never);
        const reader = { request: Object.assign(request, { endpoint }) } as unknown as Reader;
        const { config, files } = await composeConfigGet(reader, options);
        return { config, files: files.map((file) => ({ ...file, owner: aliases.ownerOf(file.owner) })) };
      },
    },
  };
}
