/** What rides in the state of a sign-in, its proof key with it, is sealed where it waits for the browser to come back. */
import { randomBytes } from 'node:crypto';
import type { BetterAuthOptions, DBAdapter } from 'better-auth';
import { decryptBytes, encryptBytes, NONCE_BYTES, TAG_BYTES } from '../../store/cipher.js';
import { deriveKey } from '../../store/derive-key.js';

type Adapter = DBAdapter<BetterAuthOptions>;

const MODEL = 'verification';
const AAD = Buffer.from('forgeway/v1/sign-in-state');
const FORM = /^sealed\.([\w-]+)$/;

const isRow = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** @param secret that of the place, see `AuthPlace` */
export function stateSeal(secret: string): { seal(text: string): string; open(text: string): string } {
  const key = deriveKey(Buffer.from(secret), Buffer.alloc(0), 'forgeway/v1/sign-in-state');
  return {
    seal(text) {
      const nonce = randomBytes(NONCE_BYTES);
      const { ciphertext, tag } = encryptBytes(key, nonce, AAD, Buffer.from(text));
      return `sealed.${Buffer.concat([nonce, tag, ciphertext]).toString('base64url')}`;
    },
    open(text) {
      const sealed = FORM.exec(text)?.[1];
      // Of a sign-in that was under way when this version was started.
      if (sealed === undefined) return text;
      const bytes = Buffer.from(sealed, 'base64url');
      const [nonce, tag] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)];
      return decryptBytes(key, nonce, AAD, { ciphertext: bytes.subarray(NONCE_BYTES + TAG_BYTES), tag }).toString();
    },
  };
}

/** The adapter, with `value` of every row of {@link MODEL} sealed on the way in and opened on the way out. */
export function sealedStates(make: (options: BetterAuthOptions) => Adapter, secret: string) {
  const { seal, open } = stateSeal(secret);

  const withValue = (row: unknown, change: (text: string) => string): unknown => {
    if (Array.isArray(row)) return row.map((one) => withValue(one, change));
    return isRow(row) && typeof row.value === 'string' ? { ...row, value: change(row.value) } : row;
  };

  function sealing(adapter: Adapter): Adapter {
    return new Proxy(adapter, {
      get(target, name, receiver) {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== 'function') return member;
        if (name === 'transaction')
          return (run: (inner: Adapter) => unknown) => member((inner: Adapter) => run(sealing(inner)));
        return async (asked: unknown, ...rest: unknown[]) => {
          if (!isRow(asked) || asked.model !== MODEL) return member(asked, ...rest);
          const { data, update } = asked;
          const sealed = {
            ...asked,
            ...(data !== undefined && { data: withValue(data, seal) }),
            ...(update !== undefined && { update: withValue(update, seal) }),
          };
          return withValue(await member(sealed, ...rest), open);
        };
      },
    });
  }

  return (options: BetterAuthOptions): Adapter => sealing(make(options));
}
