import type { Context } from 'probot';
import { callableLog } from './legacy-log.js';
import { asLegacyOctokit } from './legacy-octokit.js';
import { had, type LegacyLevel } from './level.js';

/** What a handler is given: the context with what its Probot had. */
export function asLegacyContext(context: Context, level: LegacyLevel): Context {
  const octokit = asLegacyOctokit(context.octokit, level);
  /** The number under both of its names; routes get the one they know. */
  const numbered = (of: 'issue' | 'pullRequest') => (object?: object) => {
    const found = context[of](object) as Record<string, unknown>;
    return { ...found, number: found.number ?? found.issue_number ?? found.pull_number };
  };
  const own: Readonly<Record<string, unknown>> = {
    octokit,
    ...(had(level, 'v12') && { log: callableLog(context.log as never, level) }),
    ...(had(level, 'v9') && {
      github: octokit,
      event: context.name,
      issue: numbered('issue'),
      pullRequest: numbered('pullRequest'),
    }),
  };
  return new Proxy(context, {
    get(target, property) {
      if (typeof property === 'string' && Object.hasOwn(own, property)) return own[property];
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
