/** The logger as apps for Probot 12 and older use it: a function with methods. */
import type { Logger } from '../../lib/logger.js';
import { had, type LegacyLevel } from './level.js';

type Call = (...of: [unknown, ...unknown[]]) => void;
export type CallableLog = Logger & Call;

/** What `log('…')` meant: `debug` until Probot 9, then `info`. */
export function callableLog(log: Logger, level: LegacyLevel): CallableLog {
  const write = log[had(level, 'v9') ? 'debug' : 'info'].bind(log) as Call;
  return new Proxy(write, {
    get(_target, property) {
      if (property === 'child')
        return (...args: Parameters<Logger['child']>) => callableLog(log.child(...args) as unknown as Logger, level);
      const value: unknown = Reflect.get(log, property);
      return typeof value === 'function' ? value.bind(log) : value;
    },
  }) as unknown as CallableLog;
}
