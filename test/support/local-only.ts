/** Refuses connections to anywhere but this machine, below every client there is. */
import { lookup } from 'node:dns';
import { isIP, Socket } from 'node:net';

/** Servers that tests start themselves. */
const LOCAL = /^(127\.0\.0\.1|localhost|\[?::1\]?|[a-z0-9.-]+\.localhost)(:\d+)?$/;

export const isLocal = (host: string): boolean => LOCAL.test(host);

/** Test files of one process share `node:net`, and so what was refused. */
const REFUSED = Symbol.for('forgeway.test.refused-connections');

type Connect = (this: Socket, ...given: unknown[]) => Socket;
type Guarded = Socket & { [REFUSED]?: string[] };

/** Where a call of `connect` leads; undefined for a socket in the file system. */
function hostOf(given: readonly unknown[]): string | undefined {
  // `net.connect` hands on what it has sorted already, in one list.
  const [first, second] = Array.isArray(given[0]) ? (given[0] as unknown[]) : given;
  if (typeof first === 'object' && first !== null) {
    const { path, host } = first as { path?: unknown; host?: unknown };
    return path === undefined || path === null ? String(host ?? 'localhost') : undefined;
  }
  if (typeof first === 'string' && Number.isNaN(Number(first))) return undefined;
  return typeof second === 'string' ? second : 'localhost';
}

/** Names under it belong to nobody: a test that wants one that is not there takes such a one. */
const isNobodys = (host: string): boolean => host.endsWith('.invalid');

/** Whether whoever connects finds addresses by itself: names that a test has made up. */
function asksItself(given: readonly unknown[]): boolean {
  const [first] = Array.isArray(given[0]) ? (given[0] as unknown[]) : given;
  const ask = typeof first === 'object' && first !== null ? (first as { lookup?: unknown }).lookup : undefined;
  return typeof ask === 'function' && ask !== lookup;
}

/** What was refused since it was asked last, by host. */
export function takeRefused(): string[] {
  return (Socket.prototype as Guarded)[REFUSED]?.splice(0) ?? [];
}

export function refuseOthers(): void {
  const prototype = Socket.prototype as Guarded;
  if (prototype[REFUSED] !== undefined) return;
  const refused: string[] = [];
  prototype[REFUSED] = refused;
  const connect = prototype.connect as Connect;
  const guarded: Connect = function (...given) {
    const host = hostOf(given);
    if (host === undefined || isLocal(host) || asksItself(given)) return connect.apply(this, given);
    if (!isNobodys(host)) refused.push(host);
    const code = isIP(host) === 0 ? 'ENOTFOUND' : 'ENETUNREACH';
    const error = Object.assign(new Error(`Tests reach this machine only, not ${host}.`), { code });
    process.nextTick(() => this.destroy(error));
    return this;
  };
  prototype.connect = guarded as typeof prototype.connect;
}
