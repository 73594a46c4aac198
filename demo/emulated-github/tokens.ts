/** Who a token belongs to. The emulator would take an unknown token for its administrator, so the front asks here first. */
import { ApiProblem } from './exchange.js';

export type Holder =
  | { kind: 'person'; login: string }
  | { kind: 'installation'; installationId: number; permissions: Readonly<Record<string, string>>; expiresAt: number }
  /** A JSON web token; the emulator verifies it on the routes that take one. */
  | { kind: 'app' };

export class Tokens {
  readonly #holders = new Map<string, Holder>();

  constructor(people: Readonly<Record<string, string>>) {
    for (const [login, token] of Object.entries(people)) this.#holders.set(token, { kind: 'person', login });
  }

  /** Remembers an installation token that the emulator gave out. */
  addInstallation(
    token: string,
    holder: { installationId: number; permissions: Record<string, string>; expiresAt: number },
  ): void {
    this.#holders.set(token, { kind: 'installation', ...holder });
  }

  /** Uninstalling and suspending end every token of the installation at once. */
  revokeInstallations(): void {
    for (const [token, holder] of this.#holders) if (holder.kind === 'installation') this.#holders.delete(token);
  }

  /** @throws ApiProblem 401 for a missing, unknown or expired token, as a server in private mode answers. */
  holderOf(token: string | undefined): Holder {
    if (token === undefined || token === '') throw new ApiProblem(401, 'Must authenticate to access this API.');
    const holder = this.#holders.get(token);
    if (holder?.kind === 'installation' && holder.expiresAt <= Date.now()) throw new ApiProblem(401, 'Bad credentials');
    if (holder !== undefined) return holder;
    if (token.startsWith('eyJ')) return { kind: 'app' };
    throw new ApiProblem(401, 'Bad credentials');
  }
}

/** Checks one permission of an installation token; a person's is checked by the emulator or the caller. */
export function assertInstallationMay(holder: Holder, permission: string, level: 'read' | 'write'): void {
  if (holder.kind === 'person') return;
  const granted = holder.kind === 'installation' ? holder.permissions[permission] : undefined;
  if (granted === 'write' || granted === 'admin' || (level === 'read' && granted === 'read')) return;
  throw new ApiProblem(403, 'Resource not accessible by integration');
}
