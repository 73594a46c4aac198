/** Connecting the toy: who the token is, its shelves, and the bells that are its webhooks. */
import type { ForgeAdministration, HookTarget } from '../../../src/forges/administration.js';
import type { NativeClient } from '../../../src/forges/kit/native-client.js';
import { RouteFailure } from '../../../src/forges/kit/route.js';
import { idOf } from './convert.js';
import { nativePerson, nativeShelf } from './schema.js';

type Bell = { key: string; url: string };

function shelfOf(target: HookTarget): string {
  if (target.level === 'repository') return `${target.owner}/${target.name}`;
  throw new RouteFailure(404, 'The toy has bells on shelves only.');
}

async function tell<T>(native: NativeClient, verb: string, args: object): Promise<T> {
  const { data } = await native.send('POST', `/call/${verb}`, { json: args });
  return (data as { value: T }).value;
}

export const administration: ForgeAdministration = {
  async probe(native) {
    const { value } = (await native.get('/call/person.me')) as { value: unknown };
    const { key, handle, robot } = nativePerson.parse(value);
    return {
      version: '1',
      edition: 'toy',
      account: { id: BigInt(idOf(key)), login: handle },
      isPerson: !robot,
      scopes: [],
      capabilities: ['read', 'comment', 'status', 'hooks'],
      warnings: [],
      expiresAt: null,
    };
  },
  async *repositories(native) {
    let after: string | undefined;
    do {
      const page = (await native.get('/call/shelf.list', { after })) as { value: unknown[]; more: string | null };
      for (const { key, path, secret, trunk } of nativeShelf.array().parse(page.value)) {
        const [owner = '', name = ''] = path.split('/');
        const id = BigInt(idOf(key));
        yield { id, owner, name, url: `/${path}`, private: secret, defaultBranch: trunk, mayHook: true };
      }
      after = page.more ?? undefined;
    } while (after !== undefined);
  },
  async listHooks(native, target) {
    const { value } = (await native.get('/call/bell.list', { shelf: shelfOf(target) })) as { value: Bell[] };
    return value.map(({ key, url }) => ({ id: key, url, active: true, trouble: undefined }));
  },
  async createHook(native, target, { url, secret }) {
    const bell = await tell<Bell>(native, 'bell.hang', { shelf: shelfOf(target), url, secret });
    return { hook: { id: bell.key, url, active: true, trouble: undefined }, secret };
  },
  async repairHook(native, target, hookId, { url, secret }) {
    await tell(native, 'bell.edit', { shelf: shelfOf(target), key: hookId, url, secret });
    return { hookId, secret };
  },
  deleteHook: (native, target, key) => tell(native, 'bell.drop', { shelf: shelfOf(target), key }),
  async testHook(native, target, key) {
    await tell(native, 'bell.ring', { shelf: shelfOf(target), key });
    return true;
  },
  hookAdvice: ({ status }) => (status === 404 ? 'The toy has bells on shelves only.' : undefined),
};
