/** What an operator should know about a Redis: none of it loses work, all of it delays work. */
import type { Redis } from 'ioredis';
import { messageOf } from '../../lib/errors.js';

function field(info: string, name: string): string | undefined {
  return info
    .split(/\r?\n/)
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1);
}

/** Never rejects: a server that does not tell is itself a warning. */
export async function redisWarnings(client: Pick<Redis, 'info'>): Promise<string[]> {
  try {
    const [persistence, memory] = [await client.info('persistence'), await client.info('memory')];
    const warnings: string[] = [];
    if (field(persistence, 'aof_enabled') !== '1')
      warnings.push('Redis has no append-only file: its jobs are lost when it ends. Set `appendonly yes`.');
    const policy = field(memory, 'maxmemory_policy');
    if (policy !== 'noeviction')
      warnings.push(
        `Redis may drop jobs when its memory is full (policy ${policy}). Set \`maxmemory-policy noeviction\`.`,
      );
    const limit = Number(field(memory, 'maxmemory') ?? 0);
    if (limit > 0 && Number(field(memory, 'used_memory') ?? 0) >= limit * 0.9)
      warnings.push('Redis has used 90 % of its memory limit. Raise `maxmemory`.');
    return warnings;
  } catch (error) {
    return [`Redis did not tell its settings (${messageOf(error)}); check \`appendonly\` and \`maxmemory-policy\`.`];
  }
}
